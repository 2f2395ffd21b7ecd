"""Git repositories for the tests of forges and branches: a bare remote and clones of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WHO = {"name": "Ada", "email": "ada@example.org"}


def sh(folder: Path, *arguments: str, **environment: str) -> str:
    """Output of a git command, which has to work."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def quiet(monkeypatch: object, home: Path) -> None:
    """Git without this machine's configuration."""
    home.mkdir(exist_ok=True)
    setenv = monkeypatch.setenv  # type: ignore[attr-defined]
    setenv("HOME", str(home))
    setenv("GIT_CONFIG_GLOBAL", str(home / "none"))
    setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME", raising=False)  # type: ignore[attr-defined]
        monkeypatch.delenv(f"GIT_{name}_EMAIL", raising=False)  # type: ignore[attr-defined]
    monkeypatch.delenv("EMAIL", raising=False)  # type: ignore[attr-defined]


def remote(folder: Path) -> Path:
    """A bare repository with one commit on main."""
    bare = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(bare)], check=True)
    first = folder / "first"
    subprocess.run(["git", "clone", "--quiet", str(bare), str(first)], check=True, stderr=-3)
    who(first)
    write(first, "specs/shop/prompt.yaml", "name: reply\n")
    write(first, "README", "shop\n")
    sh(first, "checkout", "--quiet", "-B", "main")
    commit(first, "Start")
    sh(first, "push", "--quiet", "origin", "main")
    return bare


def clone(bare: Path, folder: Path, *options: str) -> Path:
    """A clone where Ada works."""
    subprocess.run(["git", "clone", "--quiet", *options, str(bare), str(folder)], check=True)
    who(folder)
    return folder


def who(folder: Path, name: str = WHO["name"], email: str = WHO["email"]) -> None:
    """Say who commits there."""
    sh(folder, "config", "user.name", name)
    sh(folder, "config", "user.email", email)


def write(folder: Path, path: str, text: str) -> None:
    """A file of a working tree."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)


def commit(folder: Path, message: str) -> str:
    """Everything that changed, committed; gives the commit."""
    sh(folder, "add", "--all")
    sh(folder, "commit", "--quiet", "--message", message)
    return sh(folder, "rev-parse", "HEAD")


def push_change(folder: Path, branch: str, path: str, text: str, message: str = "Change") -> str:
    """A new branch from main with one changed file, pushed; main is checked out afterwards."""
    sh(folder, "checkout", "--quiet", "-B", branch, "main")
    write(folder, path, text)
    made = commit(folder, message)
    sh(folder, "push", "--quiet", "--force", "origin", branch)
    sh(folder, "checkout", "--quiet", "main")
    return made
