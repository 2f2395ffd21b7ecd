"""Finds what was built at later commits from lines that one commit wrote."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.adapters.git.command import try_git
from tidemill.engine.lineage import BUILD
from tidemill.engine.provenance import Facts
from tidemill.engine.release_record import SpecCommit
from tidemill.home import Home
from tidemill.lineage.spec_blame import blame_specs

MAX_COMMITS = 20
"""Later commits that are searched, oldest first."""


def later_commits(home: Home, sha: str) -> tuple[list[str], list[str]]:
    """Lineage nodes of materialisations at later commits whose specs have a line of this commit or
    name a file that it changed; and notes on what was not searched."""
    specs, lineage = home.settings.specs, home.ledger.lineage
    history = try_git(specs, "rev-list", "--reverse", "--ancestry-path", "--all", f"^{sha}")
    if history is None:
        return [], [
            f"commit {sha[:12]} is not in the repository of {specs}: only builds at this commit "
            "are shown"
        ]
    built_commits = set(lineage.build_commits())
    later = [commit for commit in history.split() if commit in built_commits]
    changed = _changed_files(home, sha)
    nodes: list[str] = []
    for commit in later[:MAX_COMMITS]:
        nodes += _affected_nodes(home, commit, sha, changed)
    skipped = len(later) - MAX_COMMITS
    return nodes, [f"{skipped} later commits were not searched"] if skipped > 0 else []


def _affected_nodes(home: Home, commit: str, sha: str, changed: Sequence[str]) -> list[str]:
    """Nodes of the materialisations at `commit` whose specs depend on the commit `sha`."""
    makings = home.ledger.lineage.materialisations_at(commit)
    nodes: list[str] = []
    for project in sorted({making["project"] for making in makings.values()}):
        cache = home.settings.home / "why"
        lines, _ = blame_specs(home.settings.specs, cache, project, SpecCommit(commit))
        touched = {name for name, spec in lines.items() if _touches(spec, sha, changed)}
        nodes += [
            f"{BUILD}{key}"
            for key, making in makings.items()
            if making["project"] == project and making["name"] in touched
        ]
    return nodes


def _changed_files(home: Home, sha: str) -> list[str]:
    """Files the commit changed, relative to the repository."""
    output = try_git(
        home.settings.specs, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", sha
    )
    return [path for path in (output or "").split("\0") if path]


def _touches(lines: Sequence[Facts], sha: str, changed: Sequence[str]) -> bool:
    if any(line["commit"] == sha for line in lines):
        return True
    folder = lines[0]["path"].rpartition("/")[0] if lines else ""
    files = {f"{folder}/{line['value']}" for line in lines if isinstance(line["value"], str)}
    return not files.isdisjoint(changed)
