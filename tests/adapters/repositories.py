"""Real Git repositories for tests, with the authors and dates that make commits the same."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHO = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Repo:
    """A repository with a working tree."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> Repo:
        """An empty one, on branch main."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    def git(self, *arguments: str) -> str:
        """Run git; gives what it printed."""
        command = ["git", "-C", str(self.folder), *arguments]
        environment = {**os.environ, **WHO}
        done = subprocess.run(command, check=True, capture_output=True, env=environment)
        return done.stdout.decode().strip()

    def write(self, path: str, text: str) -> Path:
        """Write one file."""
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text, encoding="utf-8")
        return whole

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of text that has to be there."""
        whole = self.folder / path
        text = whole.read_text(encoding="utf-8")
        assert old in text
        whole.write_text(text.replace(old, new), encoding="utf-8")

    def commit(self, subject: str = "change") -> str:
        """Commit all there is; gives the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")
