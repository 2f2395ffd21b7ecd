"""Where the changes of a commit live on: what later commits made by specs that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.adapters.git.command import attempt
from tidemill.engine.lineage import BUILD
from tidemill.home import Home
from tidemill.lineage.spec_blame import lines_at

MOST = 20
"""Later commits that are looked through, oldest first."""


def later(home: Home, sha: str) -> tuple[list[str], list[str]]:
    """Nodes of makings at later commits whose specs have a line of this commit or name a file that
    it changed; and what is to be said of them."""
    specs, lineage = home.settings.specs, home.ledger.lineage
    listed = attempt(specs, "rev-list", "--reverse", "--ancestry-path", "--all", f"^{sha}")
    if listed is None:
        return [], [
            f"commit {sha[:12]} is not in the repository of {specs}: only what was made at it"
        ]
    known = set(lineage.build_commits())
    after = [one for one in listed.split() if one in known]
    changed = _changed(home, sha)
    found: list[str] = []
    for one in after[:MOST]:
        makings = lineage.materialisations_at(one)
        for project in sorted({making["project"] for making in makings.values()}):
            lines, _ = lines_at(specs, home.settings.home / "why", project, {"sha": one})
            touched = {name for name, said in lines.items() if _touches(said, sha, changed)}
            found += [
                f"{BUILD}{key}"
                for key, making in makings.items()
                if making["project"] == project and making["name"] in touched
            ]
    more = len(after) - MOST
    return found, [f"{more} later commits were not looked through"] if more > 0 else []


def _changed(home: Home, sha: str) -> list[str]:
    """Files the commit changed, relative to the repository."""
    said = attempt(
        home.settings.specs, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", sha
    )
    return [path for path in (said or "").split("\0") if path]


def _touches(lines: Sequence[Mapping[str, Any]], sha: str, changed: Sequence[str]) -> bool:
    if any(line["commit"] == sha for line in lines):
        return True
    folder = lines[0]["path"].rpartition("/")[0] if lines else ""
    named = {f"{folder}/{line['value']}" for line in lines if isinstance(line["value"], str)}
    return not named.isdisjoint(changed)
