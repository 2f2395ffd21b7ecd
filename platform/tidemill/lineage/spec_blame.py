"""The lines of the specs behind a release, with who wrote each; a commit's lines never change, so
what Git said once is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.adapters.git import blame
from tidemill.errors import TidemillError

Lines = dict[str, list[dict[str, Any]]]


def lines_at(
    specs: Path, kept: Path, project: str, commit: Mapping[str, Any]
) -> tuple[Lines, list[str]]:
    """Lines of each spec of a project at a commit, and what is to be said of them.

    `kept` is the folder of what Git said before. Nothing here is an error: without Git, or without
    the commit, there are no lines and a note says why.
    """
    sha = str(commit.get("sha", ""))
    if not sha:
        return {}, []
    path = kept / f"lines-{sha}-{project}.json"
    with suppress(OSError, ValueError):
        found: Lines = json.loads(path.read_text())
        return found, _dirty(commit)
    try:
        spoken = blame.spec_lines(specs, project, sha)
    except TidemillError as error:
        if not blame.has_commit(specs, sha):
            return {}, [_missing(specs, sha)]
        return {}, [f"the spec lines cannot be read: {error}"]
    found = {name: [line.to_json() for line in lines] for name, lines in spoken.items()}
    if blame.is_shallow(specs):
        note = "the clone is shallow: lines from before it count as its oldest commit's"
        return found, [f"{note}; `git fetch --unshallow` brings the history", *_dirty(commit)]
    _keep(path, found)
    return found, _dirty(commit)


def line_at(
    specs: Path, project: str, commit: Mapping[str, Any], row: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Commit and author of the line of a project's file that a row came from, or a note why not."""
    sha, path = str(commit["sha"]), f"{project}/{row['source']}"
    try:
        (line,) = blame.blame(specs, sha, path, row["line"])
    except (TidemillError, ValueError):
        if not blame.has_commit(specs, sha):
            return {}, [_missing(specs, sha)]
        return {}, [f"{path}:{row['line']} is not in commit {sha[:12]}: Git does not have the file"]
    return {"path": line.path, "commit": line.commit, "author": line.author}, _dirty(commit)


def _missing(specs: Path, sha: str) -> str:
    way_out = "`git fetch` brings it"
    if blame.is_shallow(specs):
        way_out = "the clone is shallow, `git fetch --unshallow` brings it"
    return f"commit {sha[:12]} is not in the repository of {specs}; {way_out}"


def _dirty(commit: Mapping[str, Any]) -> list[str]:
    if not commit.get("dirty"):
        return []
    return ["the specs had uncommitted changes, which the lines shown do not have"]


def _keep(path: Path, found: Lines) -> None:
    with suppress(OSError):  # the next call asks Git again
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".fresh")
        partial.write_text(json.dumps(found, ensure_ascii=False, default=str))
        partial.replace(path)
