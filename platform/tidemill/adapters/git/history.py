"""The authors of a change, and the commit that merged it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.git.command import git, try_git

_LOOKED_AT = 50
"""Commits that touched the file, newest first, among which the one that brought it is sought."""


@dataclass(frozen=True)
class MergeCommit:
    """The commit on the branch's own line that first had something."""

    sha: str
    name: str
    address: str
    is_merge: bool
    """True where it has two parents: somebody merged."""


def authors(repository: Path, since: str, until: str, folder: Path) -> frozenset[str] | None:
    """`Name <address>` of everybody who wrote commits to a folder after `since`, co-authors too.

    None where a commit is not here (a shallow clone), so that nobody can say. With an empty `since`
    it is the author of all there is.
    """
    span = f"{since}..{until}" if since else until
    form = "--format=%an <%ae>%n%(trailers:key=Co-authored-by,valueonly)"
    if try_git(repository, "rev-parse", "--is-shallow-repository") == "true\n" and not since:
        return None
    output = try_git(repository, "log", form, span, "--", str(folder))
    if output is None:
        return None
    return frozenset(line.strip() for line in output.splitlines() if line.strip())


def path_in_repository(folder: Path) -> Path:
    """A folder's path from the root of its repository; raises ServiceError outside Git."""
    top = git(folder, "rev-parse", "--show-toplevel").decode().strip()
    return folder.resolve().relative_to(Path(top).resolve())


def file_at(repository: Path, commit: str, path: Path) -> bytes | None:
    """A file as a commit has it; None where it has none."""
    top = try_git(repository, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    relative = path.resolve().relative_to(Path(top.strip()).resolve()).as_posix()
    text = try_git(repository, "show", f"{commit}:{relative}")
    return text.encode() if text is not None else None


def find_merge_commit(
    repository: Path, path: Path, has: Callable[[bytes | None], bool]
) -> MergeCommit | None:
    """The newest commit on the checked-out branch's own line that brought what `has` tells."""
    form = "--format=%H%x00%P%x00%an%x00%ae"
    limit = f"-{_LOOKED_AT}"
    output = try_git(
        repository, "log", "--first-parent", "-m", limit, form, "HEAD", "--", str(path)
    )
    for line in dict.fromkeys((output or "").splitlines()):
        sha, parents, name, address = line.split("\0")
        former = parents.split()
        before = file_at(repository, former[0], path) if former else None
        if has(file_at(repository, sha, path)) and not has(before):
            return MergeCommit(sha, name, address, len(former) > 1)
    return None
