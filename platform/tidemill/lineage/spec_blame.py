"""The lines of the specs behind a release with the commit and author of each, cached by commit."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from tidemill.adapters.git import blame
from tidemill.engine.provenance import Facts
from tidemill.engine.release_record import SpecCommit
from tidemill.errors import TidemillError

Lines = dict[str, list[Facts]]
"""Spec name → its lines: `path`, `line`, `field`, `value`, `commit`, `author`, `when`, …"""


def blame_specs(
    specs: Path, cache: Path, project: str, commit: SpecCommit
) -> tuple[Lines, list[str]]:
    """Lines of each spec of a project at a commit, and notes on what could not be read.

    `cache` is the folder that keeps them between calls. Raises nothing: without Git, or without the
    commit, there are no lines and a note says why.
    """
    sha = commit.sha
    if not sha:
        return {}, []
    path = cache / f"lines-{sha}-{project}.json"
    with suppress(OSError, ValueError):
        cached: Lines = json.loads(path.read_text())
        return cached, _dirty(commit)
    try:
        by_spec = blame.spec_lines(specs, project, sha)
    except TidemillError as error:
        if not blame.has_commit(specs, sha):
            return {}, [_missing_commit_note(specs, sha)]
        return {}, [f"the spec lines cannot be read: {error}"]
    lines: Lines = {name: [line.to_json() for line in group] for name, group in by_spec.items()}
    if blame.is_shallow(specs):
        note = "the clone is shallow: older lines are attributed to its oldest commit"
        way_out = "run `git fetch --unshallow` to get the history"
        return lines, [f"{note}; {way_out}", *_dirty(commit)]
    _write_cache(path, lines)
    return lines, _dirty(commit)


def blame_row(specs: Path, project: str, commit: SpecCommit, row: Facts) -> tuple[Facts, list[str]]:
    """Commit and author of the line of a project's file that a row came from, or a note why not."""
    sha, path = commit.sha, f"{project}/{row['source']}"
    try:
        (line,) = blame.blame(specs, sha, path, row["line"])
    except (TidemillError, ValueError):
        if not blame.has_commit(specs, sha):
            return {}, [_missing_commit_note(specs, sha)]
        return {}, [f"{path}:{row['line']} is not in commit {sha[:12]}: Git does not have the file"]
    return {"path": line.path, "commit": line.commit, "author": line.author}, _dirty(commit)


def _missing_commit_note(specs: Path, sha: str) -> str:
    way_out = "run `git fetch`"
    if blame.is_shallow(specs):
        way_out = "the clone is shallow: run `git fetch --unshallow`"
    return f"commit {sha[:12]} is not in the repository of {specs}; {way_out}"


def _dirty(commit: SpecCommit) -> list[str]:
    if not commit.dirty:
        return []
    return ["the specs had uncommitted changes, which these lines do not show"]


def _write_cache(path: Path, lines: Lines) -> None:
    with suppress(OSError):  # the next call asks Git again
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".fresh")
        partial.write_text(json.dumps(lines, ensure_ascii=False, default=str))
        partial.replace(path)
