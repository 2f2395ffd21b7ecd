"""Builds Git trees and commits out of bytes, beside the working tree and the index of the user."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tidemill.adapters.git.command import git, try_git
from tidemill.errors import ServiceError

_PLAIN, _EXECUTABLE = "100644", "100755"
_DEFAULT = {"NAME": "Tidemill", "EMAIL": "tidemill@localhost"}


def repository_root(repository: Path) -> Path:
    """The root of the working tree (of the repository itself where it is bare).

    Raises ServiceError outside of a repository.
    """
    if inside := try_git(repository, "rev-parse", "--show-toplevel"):
        return Path(inside.rstrip("\n"))
    if try_git(repository, "rev-parse", "--git-dir"):
        return repository
    raise ServiceError(f"{repository} is not in a Git repository; run `git init` there first")


def write_tree(repository: Path, base: str | None, files: Mapping[str, bytes | None]) -> str:
    """The tree of `base` with files written, or removed (None); gives its id.

    `base` is the id of a commit or of a tree, None the empty tree. Paths are
    relative to the root of the repository. A file that is there keeps its mode.
    """
    for path in files:
        _check(path)
    modes = _modes(repository, base, list(files)) if base else {}
    lines = []
    for path, content in sorted(files.items()):
        if content is None:
            lines += [f"0 {'0' * len(base)}\t{path}\0"] if base else []
            continue
        blob = git(repository, "hash-object", "-w", "--stdin", stdin=content).decode().strip()
        mode = _EXECUTABLE if modes.get(path) == _EXECUTABLE else _PLAIN
        lines.append(f"{mode} {blob}\t{path}\0")
    with tempfile.TemporaryDirectory(prefix="tidemill-index-") as scratch:
        aside = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git(repository, "read-tree", base or "--empty", environment=aside)
        entries = "".join(lines).encode()
        git(repository, "update-index", "-z", "--index-info", stdin=entries, environment=aside)
        return git(repository, "write-tree", environment=aside).decode().strip()


def write_commit(
    repository: Path, tree: str, parents: list[str], message: str, *, author: str | None = None
) -> str:
    """A commit of a tree, signed where `commit.gpgsign` asks for it; no branch moves.

    `author` is `Name <email>`, by default the one who commits.
    """
    arguments = [part for parent in parents for part in ("-p", parent)]
    if (try_git(repository, "config", "--type=bool", "commit.gpgsign") or "").strip() == "true":
        arguments.append("-S")
    return (
        git(
            repository,
            "commit-tree",
            tree,
            *arguments,
            stdin=(message.rstrip("\n") + "\n").encode(),
            environment=identity(repository) | _author(author),
        )
        .decode()
        .strip()
    )


def identity(repository: Path) -> dict[str, str]:
    """Environment that names the committer: empty where Git knows one, else Tidemill itself.

    Without this Git would make a name up from the account and the machine.
    """
    if try_git(repository, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT"):
        return {}
    return {
        f"GIT_{role}_{detail}": _DEFAULT[detail]
        for role in ("AUTHOR", "COMMITTER")
        for detail in _DEFAULT
    }


def _author(author: str | None) -> dict[str, str]:
    if author is None:
        return {}
    name, opened, email = author.strip().removesuffix(">").partition("<")
    if not (opened and name.strip() and email.strip()):
        raise ServiceError(f"'{author}' names no author; write it as `Name <email>`")
    return {"GIT_AUTHOR_NAME": name.strip(), "GIT_AUTHOR_EMAIL": email.strip()}


def _check(path: str) -> None:
    parts = PurePosixPath(path).parts
    strange = {"..", ".git"} & {part.lower() for part in parts}
    if not parts or path.startswith("/") or strange or not path.isprintable() or "\\" in path:
        raise ServiceError(
            f"'{path}' is no path of a file in the repository; name it from the repository's root"
        )


def _modes(repository: Path, base: str, paths: list[str]) -> dict[str, str]:
    listed = git(repository, "ls-tree", "-z", "--full-tree", base, "--", *paths).decode()
    entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
    return {path: facts.split(" ", 1)[0] for facts, path in entries}
