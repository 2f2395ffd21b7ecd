"""The Git repository that holds the specs, through the `git` command."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tidemill.errors import ServiceError
from tidemill.ports import Commit

_FORMAT = "%H%x00%an <%ae>%x00%aI%x00%s"


class GitRepository:
    """A working tree; without one (or without `git`) there is no commit to name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self) -> Commit | None:
        """The checked-out commit; None outside a repository or before the first commit."""
        return self._commit(["log", "-1", f"--format={_FORMAT}"])

    def last_change(self, path: Path) -> Commit | None:
        """The last commit that touched a file."""
        return self._commit(["log", "-1", f"--format={_FORMAT}", "--", str(path)])

    @contextmanager
    def checkout(self, ref: str) -> Iterator[Path]:
        """A clean worktree of `ref` for as long as the block runs."""
        folder = Path(tempfile.mkdtemp(prefix="tidemill-worktree-"))
        try:
            self._run(["worktree", "add", "--detach", "--quiet", str(folder), ref])
            yield folder
        finally:
            self._try(["worktree", "remove", "--force", str(folder)])
            shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, arguments: list[str]) -> Commit | None:
        line = self._try(arguments)
        if not line:
            return None
        sha, author, when, subject = line.strip().split("\0")
        dirty = bool(self._try(["status", "--porcelain", "--", str(self.folder)]))
        return Commit(sha, author, datetime.fromisoformat(when), subject, dirty)

    def _try(self, arguments: list[str]) -> str | None:
        if not shutil.which("git") or not self.folder.exists():
            return None
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else None

    def _run(self, arguments: list[str]) -> str:
        if not shutil.which("git"):
            raise ServiceError("`git` is not installed; install it, or check the specs out by hand")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServiceError(f"git {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
        return done.stdout
