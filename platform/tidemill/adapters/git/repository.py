"""The Git repository that holds the specs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tidemill.adapters.git.command import git, try_git
from tidemill.ports import Commit

_FORMAT = "%H%x00%an <%ae>%x00%aI%x00%s"

_RECORDS = ("tidemill.lock", "releases/*.dvc", "releases/.gitignore")
"""What `tidemill lock` writes among the specs; a record of what is live makes no spec dirty."""


class GitRepository:
    """A working tree; without one (or without `git`) there is no commit to name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self) -> Commit | None:
        """The checked-out commit; None outside a repository or before the first commit."""
        return self._commit("log", "-1", f"--format={_FORMAT}")

    def last_change(self, path: Path) -> Commit | None:
        """The last commit that touched a file."""
        return self._commit("log", "-1", f"--format={_FORMAT}", "--", str(path))

    @contextmanager
    def checkout(self, ref: str) -> Iterator[Path]:
        """A clean worktree of `ref` for as long as the block runs."""
        folder = Path(tempfile.mkdtemp(prefix="tidemill-worktree-"))
        try:
            git(self.folder, "worktree", "add", "--detach", "--quiet", str(folder), ref)
            yield folder
        finally:
            try_git(self.folder, "worktree", "remove", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, *arguments: str) -> Commit | None:
        line = try_git(self.folder, *arguments)
        if not line:
            return None
        sha, author, when, subject = line.strip().split("\0")
        paths = ("--", str(self.folder), *(f":(exclude,glob)**/{name}" for name in _RECORDS))
        dirty = bool(try_git(self.folder, "status", "--porcelain", *paths))
        return Commit(sha, author, datetime.fromisoformat(when), subject, dirty)
