"""The DVC side of a lock: the pointers beside it in Git, and the bytes they name at the remote."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.store.remote import CONFIG, default_remote, dvc_root, push
from tidemill.control.lockfile import planned_locks
from tidemill.errors import ServiceError
from tidemill.home import Home
from tidemill.spec.lock import FILE, LockFile, lock_bytes
from tidemill.spec.lock_pointers import content_hashes, pointer_files


@dataclass(frozen=True)
class PushResult:
    """What a push of the live releases' artefacts did."""

    remote: str | None
    """Address of the DVC remote; None where there is none to push to."""
    files: int
    """How many files were new at the remote."""
    message: str
    """One sentence for people; empty where there is nothing to say."""


def lock_files(
    old: LockFile | None, new: LockFile | None, *, dvc: bool
) -> Mapping[str, bytes | None]:
    """Path from the project's folder → content of every file that a lock needs.

    None is a file that must not be there. Without a DVC repository it is the lock alone.
    """
    if new is None:
        return {}
    services = {**(old.services if old else {}), **new.services}
    return {FILE: lock_bytes(new), **(pointer_files(new, services) if dvc else {})}


def changed_files(home: Home, named: Collection[str]) -> dict[Path, bytes | None]:
    """Path → content of the lock files and pointers that are not on disk as they should be."""
    return {
        path: content
        for path, content in planned_files(home, named)
        if (path.read_bytes() if path.exists() else None) != content
    }


def planned_files(home: Home, named: Collection[str]) -> Iterator[tuple[Path, bytes | None]]:
    """Path and content of every lock file and pointer of the services that are named (or of all).

    A lock that says the same in another notation is given as it lies there.
    """
    for path, (old, new) in planned_locks(home, named).items():
        dvc = dvc_root(path.parent) is not None
        for relative, content in lock_files(old, new, dvc=dvc).items():
            same = relative == FILE and old == new
            yield path.parent / relative, path.read_bytes() if same else content


def write_files(files: Mapping[Path, bytes | None]) -> None:
    """Write each file whole, or leave what was there; None removes a file."""
    for path, content in files.items():
        if content is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        try:
            fresh.write_bytes(content)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


def push_artefacts(home: Home, named: Collection[str]) -> PushResult:
    """Copy the artefacts of live releases to the default remote of the specs' DVC repository.

    Run before a lock is written, so that a pointer in Git never names bytes that nobody can pull.
    Raises ServiceError where the remote cannot be used.
    """
    locks = {path: new for path, (_, new) in planned_locks(home, named).items() if new is not None}
    hashes = frozenset().union(*(content_hashes(lock) for lock in locks.values()))
    if not hashes:
        return PushResult(None, 0, "")
    root = dvc_root(next(iter(locks)).parent)
    if root is None:
        return PushResult(None, 0, _NO_REPOSITORY)
    address = default_remote(root)
    if address is None:
        return PushResult(None, 0, f"note: {root / CONFIG} {_NO_REMOTE}")
    if Path(address).is_relative_to(home.settings.git_home):
        raise ServiceError(
            f"{root / CONFIG}: the remote's folder is relative, so it would lie in the mirror of "
            "the followed repository; name an absolute folder or a bucket"
        )
    sent = push(root, home.store.root, hashes)
    return PushResult(address, sent, f"pushed {sent} files to {address}" if sent else "")


_NO_REPOSITORY = (
    "note: the specs are in no DVC repository, so there are no pointers for `dvc pull`; run "
    "`dvc init` and `dvc remote add --default NAME URL`, then lock again"
)
_NO_REMOTE = (
    "names no remote, so the artefacts stay on this machine; "
    "`dvc remote add --default NAME URL`, then lock again"
)
