"""A bare remote, somebody who pushes to it, and a home that follows it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidemill.adapters.git.mirror import Mirror
from tidemill.adapters.git.worktrees import Worktrees
from tidemill.control.git_sync import Follower, follower
from tidemill.settings import Settings

ROWS = "text,label\n" + "".join(f"help me with matter {n},{'ab'[n % 2]}\n" for n in range(60))
SPECS = {
    "specs/desk/rows.csv": ROWS,
    "specs/desk/rows.yaml": """apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.csv}]
""",
    "specs/desk/others.yaml": """apiVersion: tidemill/v1
kind: Dataset
name: others
format: classification
sources: [{type: file, path: rows.csv}]
""",
}
AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass
class Remote:
    """A bare repository and a clone of it to push from."""

    bare: Path
    clone: Path

    @classmethod
    def make(cls, folder: Path, branch: str = "main") -> Remote:
        made = cls(folder / "remote.git", folder / "clone")
        made.bare.mkdir(parents=True)
        made.clone.mkdir()
        made.git("init", "--bare", "--quiet", "-b", branch, at=made.bare)
        made.git("init", "--quiet", "-b", branch)
        made.git("remote", "add", "origin", str(made.bare))
        return made

    def git(self, *arguments: str, at: Path | None = None, **environment: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(at or self.clone), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **AUTHOR, **environment},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, text in files.items():
            path = self.clone / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, subject: str = "a change", *options: str, **files: str | None) -> str:
        """Commit everything that differs, and give the sha; `files` as in `write`."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject, *options)
        return self.git("rev-parse", "HEAD")

    def push(self, subject: str = "a change", *options: str, **files: str | None) -> str:
        sha = self.commit(subject, *options, **files)
        self.git("push", "--quiet", "--force", "origin", "HEAD")
        return sha

    def change(self, old: str, new: str, file: str = "specs/desk/rows.yaml") -> None:
        text = (self.clone / file).read_text()
        assert old in text
        (self.clone / file).write_text(text.replace(old, new))


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A remote with nothing in it."""
    return Remote.make(tmp_path)


@pytest.fixture
def desk(remote: Remote) -> Remote:
    """A remote with a project of two datasets."""
    remote.write(SPECS)
    remote.push("the first specs")
    return remote


@pytest.fixture
def mirror(remote: Remote, tmp_path: Path) -> Mirror:
    """A mirror of the remote, not fetched yet."""
    return Mirror(tmp_path / "home" / "git" / "mirror.git", str(remote.bare), "main")


@pytest.fixture
def trees(mirror: Mirror) -> Worktrees:
    """Worktrees of the mirror."""
    return Worktrees(mirror.folder.parent / "trees", mirror)


def settings_of(remote: Remote, home: Path, **more: str) -> Settings:
    environment = {
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_GIT_REMOTE": str(remote.bare),
        "TIDEMILL_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        **more,
    }
    return Settings.read(environment)


def quiet(*_args: object, **_facts: object) -> None:
    """No broker in these tests."""


Follow = Callable[..., Follower]


@pytest.fixture
def follow(remote: Remote, tmp_path: Path) -> Follow:
    """A follower of the remote; environment variables as keywords."""

    def make(**more: str) -> Follower:
        return follower(settings_of(remote, tmp_path / "home", **more), tell=quiet, forge=None)

    return make
