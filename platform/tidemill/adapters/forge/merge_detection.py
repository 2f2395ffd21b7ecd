"""Finds the commit that brought a branch onto its base: by merge, squash or rebase."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

from tidemill.adapters.git.command import git, run, try_git

_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--full-index")


def is_ancestor(folder: Path, older: str, newer: str) -> bool:
    """True where `newer` holds `older`."""
    return run(folder, "merge-base", "--is-ancestor", older, newer).returncode == 0


def merge_base(folder: Path, head: str, base: str) -> str | None:
    """The newest commit that both hold; None where there is none here."""
    return (try_git(folder, "merge-base", head, base) or "").strip() or None


def find_merge_commit(folder: Path, head: str, base: str, since: str) -> str | None:
    """The commit that brought `head` onto `base`, which stood at `since` before; None: not yet.

    A merge or a fast-forward holds the head itself. A squash is one commit of the same change, a
    rebase one for each; they are known by their patch ids, so that later edits hide neither.
    """
    walk = _lines(folder, "rev-list", "--first-parent", "--reverse", base, f"^{since}")
    if is_ancestor(folder, head, base):
        index = bisect_left(walk, True, key=lambda commit: is_ancestor(folder, head, commit))
        return walk[index] if index < len(walk) else base
    fork = merge_base(folder, head, base)
    if fork is None or not walk:
        return None
    paths = git(folder, "diff", "--name-only", "-z", *_DIFF, fork, head).decode().split("\0")
    limit = ["--", *(f":(top,literal){path}" for path in paths if path)]
    if len(limit) == 1:
        return None
    log = ("log", "--no-show-signature", "-p", "-m", "--first-parent", *_DIFF)
    landed = _patch_ids(folder, *log, f"{since}..{base}", *limit)
    squashed = _patch_ids(folder, "diff", *_DIFF, fork, head, *limit)
    single = _patch_ids(folder, *log, "--no-merges", f"{fork}..{head}")
    for patches in (squashed, single):
        if patches and all(patch in landed for patch in patches):
            commits = {landed[patch] for patch in patches}
            return next(commit for commit in reversed(walk) if commit in commits)
    return None


def _patch_ids(folder: Path, *arguments: str) -> dict[str, str]:
    """Patch id → commit, of a log or a diff."""
    diffs = git(folder, *arguments)
    lines = git(folder, "patch-id", "--stable", stdin=diffs).decode().splitlines()
    return {patch: commit for patch, _, commit in (line.partition(" ") for line in lines)}


def _lines(folder: Path, *arguments: str) -> list[str]:
    return git(folder, *arguments).decode().split()
