"""Commits on the branch that is checked out, of named files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.git.command import attempt, git
from tidemill.errors import ServiceError


def commit_here(repository: Path, files: Mapping[Path, bytes], message: str) -> str | None:
    """Write files of the working tree and commit them and nothing else; gives the commit.

    What else is staged stays staged. Gives None where HEAD has these very bytes already. Killed
    anywhere and run again it ends in the same commit. Raises ServiceError with the way out.
    """
    if attempt(repository, "symbolic-ref", "--quiet", "HEAD") is None:
        raise ServiceError(
            "no branch is checked out (HEAD is detached); `git switch BRANCH`, or use --open-pr"
        )
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(content)
            fresh.replace(path)
    names = [str(path.resolve()) for path in files]
    git(repository, "add", "--force", "--", *names)
    if attempt(repository, "diff", "--cached", "--quiet", "HEAD", "--", *names) is not None:
        return None
    git(repository, "commit", "--quiet", "--only", "-m", message, "--", *names)
    return git(repository, "rev-parse", "HEAD").decode().strip()
