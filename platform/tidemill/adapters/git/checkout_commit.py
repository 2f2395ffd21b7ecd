"""Commits on the branch that is checked out, of named files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.git.command import git, try_git
from tidemill.errors import ServiceError


def commit_on_checkout(
    repository: Path, files: Mapping[Path, bytes | None], message: str
) -> str | None:
    """Write files of the working tree (None removes one), commit them and nothing else.

    Gives the commit; None where HEAD has these very bytes already. What else is staged stays
    staged. Killed anywhere and run again it ends in the same commit. Raises ServiceError with the
    way out.
    """
    if try_git(repository, "symbolic-ref", "--quiet", "HEAD") is None:
        raise ServiceError(
            "no branch is checked out (HEAD is detached); `git switch BRANCH`, or use --open-pr"
        )
    for path, content in files.items():
        _write(path, content)
    present = [str(path.resolve()) for path, content in files.items() if content is not None]
    gone = [str(path.resolve()) for path, content in files.items() if content is None]
    if present:
        git(repository, "add", "--force", "--", *present)
    if gone:
        git(repository, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", *gone)
    names = present + [path for path in gone if _differs(repository, path)]
    if not names or not _differs(repository, *names):
        return None
    git(repository, "commit", "--quiet", "--only", "-m", message, "--", *names)
    return git(repository, "rev-parse", "HEAD").decode().strip()


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_bytes(content)
        fresh.replace(path)


def _differs(repository: Path, *names: str) -> bool:
    """True where the index has other bytes than HEAD at one of these paths."""
    return try_git(repository, "diff", "--cached", "--quiet", "HEAD", "--", *names) is None
