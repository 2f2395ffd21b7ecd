"""Clean, read-only worktrees of commits, and the link `current` to the one that is followed.

git/trees/<sha>   one commit, complete from the moment it is there
git/current       → trees/<sha>; switched in one step, so that no reader sees two commits
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tidemill.adapters.git.command import git, try_git
from tidemill.adapters.git.mirror import Mirror
from tidemill.errors import Problem
from tidemill.settings import Settings

EMPTY = "nothing-yet"
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class Worktrees:
    """The worktrees of a mirror; one process at a time makes, switches and prunes them."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.folder, self.mirror = folder, mirror
        self.link = folder.parent / "current"

    def add(self, sha: str) -> Path:
        """The worktree of a commit; made beside its place and moved there when it is whole."""
        final = self.folder / sha
        if final.is_dir():
            return final
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        fresh = self.folder / f".making-{sha}"
        add = ("worktree", "add", "--detach", "--quiet", "--force", str(fresh), sha)
        self.mirror.run_remote_command(
            *add
        )  # contents that are not here yet come from the remote now
        _protect(fresh)
        fresh.rename(final)
        self._repair()
        return final

    def make_current(self, sha: str) -> None:
        """Make a commit's worktree the current one, in one step."""
        _point(self.link, self.folder / sha)

    def current_commit(self) -> str | None:
        """The sha of the current worktree."""
        with suppress(OSError):
            name = self.link.readlink().name
            return None if name == EMPTY else name
        return None

    def prune(self, keep: Iterable[str]) -> None:
        """Take away the worktrees of other commits; the current one always stays."""
        spared = {*keep, self.current_commit(), EMPTY}
        for tree in self._all():
            if tree.name not in spared:
                gone = self.folder / f".gone-{tree.name}"
                tree.rename(gone)
        self._sweep()

    def unsupported_contents(self, sha: str, folder: str) -> list[Problem]:
        """Contents that a worktree does not have: submodules, and contents kept in Git LFS."""
        tree = self.folder / sha
        return [*self._submodules(sha, folder), *_pointers(tree, tree / folder)]

    def _submodules(self, sha: str, folder: str) -> Iterator[Problem]:
        below = [] if folder == "." else [folder]
        listed = git(self.mirror.folder, "ls-tree", "-r", "-z", sha, "--", *below).decode()
        for entry in filter(None, listed.split("\0")):
            meta, _, path = entry.partition("\t")
            if meta.startswith("160000"):
                way_out = "copy its files into the repository, or move it out of the specs"
                yield Problem(Path(path), 1, "submodules are not supported", way_out)

    def _all(self) -> list[Path]:
        return [p for p in sorted(self.folder.glob("[!.]*")) if p.is_dir()]

    def _sweep(self) -> None:
        """Clear away what a killed process left half made or half removed."""
        for leftover in self.folder.glob(".*"):
            _remove(leftover)
        self._repair()  # first, or Git would forget the trees that were moved to their place
        try_git(self.mirror.folder, "worktree", "prune", "--expire=now")

    def _repair(self) -> None:
        trees = [str(tree) for tree in self._all() if tree.name != EMPTY]
        if trees:
            try_git(self.mirror.folder, "worktree", "repair", *trees)


def prepare_current(settings: Settings) -> None:
    """Make an empty current worktree where a remote is followed and nothing was applied yet, so
    that services can start."""
    link, empty = settings.git_home / "current", settings.git_home / "trees" / EMPTY
    if settings.git_remote is not None and not link.is_symlink():
        (empty / settings.git_folder).mkdir(parents=True, exist_ok=True)
        _point(link, empty)


def _point(link: Path, tree: Path) -> None:
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path(tree.parent.name) / tree.name)
    fresh.replace(link)


def _protect(tree: Path) -> None:
    """Take the right to write from every file and folder."""
    for folder, _, files in os.walk(tree, topdown=False):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~_WRITES)
        Path(folder).chmod(Path(folder).stat().st_mode & ~_WRITES)


def _remove(tree: Path) -> None:
    for folder, _, _ in os.walk(tree):
        Path(folder).chmod(0o700)
    shutil.rmtree(tree, ignore_errors=True)


def _pointers(tree: Path, folder: Path) -> Iterator[Problem]:
    for directory, _, files in os.walk(folder):
        for name in files:
            path = Path(directory, name)
            if path.is_symlink() or path.stat().st_size > _POINTER_BYTES:
                continue
            if path.read_bytes().startswith(_POINTER):
                way_out = "commit the file itself, or a `.dvc` pointer to it"
                cause = "its contents are in Git LFS, which is not supported"
                yield Problem(path.relative_to(tree), 1, cause, way_out)
