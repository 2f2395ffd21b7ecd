"""The base of both stores: a folder is put completely or not at all, and is verified by `get`."""

from __future__ import annotations

import json
import shutil
import stat as modes
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import BaseFileLock, FileLock

from tidemill import content
from tidemill.errors import ArtefactError, MissingArtefact, StorageError, TamperedArtefact
from tidemill.ports import Artefact

STAGING_PREFIX = ".arriving-"


@dataclass(frozen=True)
class ArtefactRecord:
    """The stored description of an artefact; its name is also the name of its folder."""

    name: str
    digest: str
    kind: str
    files: tuple[content.FileEntry, ...]
    meta: Mapping[str, object]

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(entry.size for entry in self.files)


def artefact_name(kind: str, digest: str) -> str:
    """Folder and pointer name: the kind, and enough of the digest to be unique."""
    return f"{kind}-{short_hex(digest)}"


def short_hex(digest: str) -> str:
    """The first 16 hex digits."""
    return digest.removeprefix(content.PREFIX)[:16]


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Say which folder a failed write was for, and what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{folder}: {error.strerror or error}; free some space or make the folder writable, "
            "or put the state elsewhere with TIDEMILL_HOME"
        ) from error


class ContentStore(ABC):
    """A folder of artefacts; subclasses say where records live and what backs the bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artefacts = root / "artefacts"
        self._notes = root / ".dvc" / "tmp" / "tidemill"
        with storage_errors(root):
            self.artefacts.mkdir(parents=True, exist_ok=True)
            self._notes.mkdir(parents=True, exist_ok=True)

    # What subclasses fill in.

    @abstractmethod
    def _find(self, digest: str) -> ArtefactRecord | None:
        """The record of a digest."""

    @abstractmethod
    def _find_by_name(self, name: str) -> ArtefactRecord | None:
        """The record of a name, without a look at the others."""

    @abstractmethod
    def _keep(self, folder: Path) -> Mapping[str, object]:
        """Back the bytes of a folder; what this gives is passed on to `_register`."""

    @abstractmethod
    def _register(self, record: ArtefactRecord, backing: Mapping[str, object]) -> None:
        """Write the record down; from then on it is an artefact."""

    @abstractmethod
    def _unregister(self, record: ArtefactRecord) -> None:
        """Forget the record; from then on it is no artefact."""

    @abstractmethod
    def _restore(self, record: ArtefactRecord) -> None:
        """Bring a missing folder back from what backs the store; raises MissingArtefact."""

    @abstractmethod
    def _is_backed(self, record: ArtefactRecord) -> bool:
        """True where `_restore` could bring the folder back without the network."""

    @abstractmethod
    def records(self) -> list[ArtefactRecord]:
        """Everything that was put, sorted by name."""

    # The port.

    def put(self, folder: Path, *, kind: str, meta: Mapping[str, object] | None = None) -> Artefact:
        """Take a finished folder in; killed in the middle, it leaves nothing registered."""
        if folder.resolve().is_relative_to(self.artefacts.resolve()):
            raise ArtefactError(f"{folder} is inside the store; put a copy, or use `get`")
        content.refuse_pickles(folder)
        with storage_errors(self.root):
            _materialise_links(folder)
            entries = content.scan(folder)
            if not entries:
                raise ArtefactError(f"{folder} has no files; there is nothing to store")
            digest = content.digest(entries)
            with self._lock():
                return self._put(folder, digest, entries, kind, meta or {})

    def get(self, digest: str) -> Artefact:
        """Its files, checked; a file whose stat changed since the last check is hashed again."""
        record = self._require(digest)
        if not (self.artefacts / record.name).is_dir():
            with storage_errors(self.root), self._lock():
                self._restore(record)
        self._check(record, stats=self._last_stats(record))
        return self._artefact(record)

    def verify(self, digest: str) -> Artefact:
        """Like `get`, but hashes every byte again."""
        record = self._require(digest)
        if not (self.artefacts / record.name).is_dir():
            return self.get(digest)
        self._check(record, stats={})
        return self._artefact(record)

    def check_local(self, digest: str, kind: str, *, every_byte: bool = False) -> Artefact:
        """Its files if they lie here, checked as `get` does, or hashed again; fetches nothing.

        Raises MissingArtefact where they do not lie here, TamperedArtefact where they changed.
        """
        record = self._find_by_name(artefact_name(kind, digest))
        if record is None or record.digest != digest:
            raise MissingArtefact(
                f"no {kind} {digest} in {self.root}; it was dropped, or never here"
            )
        if not (self.artefacts / record.name).is_dir():
            raise MissingArtefact(f"the files of {kind} {digest} are missing; run `dvc pull`")
        self._check(record, stats={} if every_byte else self._last_stats(record))
        return self._artefact(record)

    def missing(self, digests: Collection[str]) -> set[str]:
        """Those of these artefacts that `get` cannot give here; a quick look, nothing is hashed."""
        folders = {path.name.rpartition("-")[2] for path in self.artefacts.iterdir()}
        return {
            digest
            for digest in digests
            if short_hex(digest) not in folders and not self._can_restore(digest)
        }

    def drop(self, digest: str) -> None:
        """Delete it and free its bytes; an unknown digest changes nothing."""
        self.drop_all([digest])

    def drop_all(self, digests: Iterable[str]) -> None:
        """Delete several artefacts and free the bytes that no other one shares, and what a killed
        `put` or `drop_all` left behind.

        Killed in the middle, it leaves a store in which each artefact is complete or not there.
        """
        with storage_errors(self.root), self._lock():
            for digest in digests:
                record = self._find(digest)
                if record:
                    self._unregister(record)
                    shutil.rmtree(self.artefacts / record.name, ignore_errors=True)
                    self._note(record).unlink(missing_ok=True)
            self._clear_staging()
            for folder in self.unregistered():
                shutil.rmtree(folder, ignore_errors=True)
            self._sweep()

    def unregistered(self) -> list[Path]:
        """Folders of artefacts that were being put or dropped when the process was killed."""
        names = {record.name for record in self.records()}
        folders = (path for path in self.artefacts.iterdir() if path.is_dir())
        return sorted(path for path in folders if path.name not in names)

    # How.

    def _put(
        self,
        folder: Path,
        digest: str,
        entries: tuple[content.FileEntry, ...],
        kind: str,
        meta: Mapping[str, object],
    ) -> Artefact:
        self._clear_staging()
        stored = self._find(digest)
        if stored and self._intact(stored):
            shutil.rmtree(folder)
            return self._artefact(stored)
        record = stored or ArtefactRecord(
            artefact_name(kind, digest), digest, kind, entries, _plain(meta)
        )
        staging = self.artefacts / f"{STAGING_PREFIX}{uuid4().hex}"
        _move(folder, staging)
        try:
            _make_read_only(staging)
            keep_record = self._keep(staging)
        except BaseException:
            _move(staging, folder)  # the work of hours is not lost to a full disk
            raise
        target = self.artefacts / record.name
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
        self._register(record, keep_record)
        self._save_stats(record)
        return self._artefact(record)

    def _can_restore(self, digest: str) -> bool:
        record = self._find(digest)
        return record is not None and self._is_backed(record)

    def _require(self, digest: str) -> ArtefactRecord:
        record = self._find(digest)
        if record is None:
            raise MissingArtefact(
                f"no artefact {digest} in {self.root}; build it again with `tidemill run`, or copy "
                f"its pointer `*-{short_hex(digest)}.dvc` into {self.artefacts} and `dvc pull` "
                "there"
            )
        return record

    def _intact(self, record: ArtefactRecord) -> bool:
        try:
            self._check(record, stats=self._last_stats(record))
        except ArtefactError:
            return False
        return True

    def _check(self, record: ArtefactRecord, *, stats: Mapping[str, list[int]]) -> None:
        folder = self.artefacts / record.name
        expected = {entry.path: entry for entry in record.files}
        if strange := sorted(set(content.files(folder)) ^ set(expected)):
            problem = "is missing" if strange[0] in expected else "was not put there by Tidemill"
            raise TamperedArtefact(_tampered_message(record, folder / strange[0], problem))
        hashed = False
        for path, entry in expected.items():
            if stats.get(path) == _stat(folder / path):
                continue
            hashed = True
            if content.entry(folder, path) != entry:
                raise TamperedArtefact(
                    _tampered_message(record, folder / path, "does not match the digest")
                )
        if hashed:
            self._save_stats(record)

    def _artefact(self, record: ArtefactRecord) -> Artefact:
        path = self.artefacts / record.name
        return Artefact(record.digest, record.kind, path, record.bytes, record.meta)

    def _note(self, record: ArtefactRecord) -> Path:
        return self._notes / f"{record.name}.json"

    def _last_stats(self, record: ArtefactRecord) -> dict[str, list[int]]:
        try:
            stats = json.loads(self._note(record).read_text())
        except (OSError, ValueError):
            return {}
        return stats if isinstance(stats, dict) else {}

    def _save_stats(self, record: ArtefactRecord) -> None:
        folder = self.artefacts / record.name
        stats = {entry.path: _stat(folder / entry.path) for entry in record.files}
        try:
            write_atomically(self._note(record), json.dumps(stats))
        except OSError:
            self._note(record).unlink(missing_ok=True)  # the next get hashes again

    def _lock(self) -> BaseFileLock:
        """The store's one lock among threads and processes; the system frees a killed one's."""
        return FileLock(self._notes / "lock", fallback_to_soft=False)

    def _clear_staging(self) -> None:
        """Remove what a killed `put` left; while we hold the lock, no other put is under way."""
        for leftover in self.artefacts.glob(f"{STAGING_PREFIX}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)

    def _sweep(self) -> None:  # noqa: B027 - a store that shares no bytes has none to free
        """Free the bytes that no record refers to."""


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one."""
    partial = path.with_name(f"{STAGING_PREFIX}{uuid4().hex}")
    try:
        partial.write_text(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def record_to_dict(record: ArtefactRecord) -> dict[str, object]:
    """The record as plain data."""
    return {
        "digest": record.digest,
        "kind": record.kind,
        "facts": dict(record.meta),
        "files": [asdict(entry) for entry in record.files],
    }


def record_from_dict(name: str, data: Mapping[str, Any]) -> ArtefactRecord:
    """The record of `as_json`."""
    entries = tuple(content.FileEntry(**entry) for entry in data["files"])
    return ArtefactRecord(name, data["digest"], data["kind"], entries, data.get("facts") or {})


def _tampered_message(record: ArtefactRecord, path: Path, what: str) -> str:
    return (
        f"{path}: {what} of {record.kind} {record.digest}; build it again with `tidemill run`, or "
        "delete its folder and its files in DVC's cache and `dvc pull`"
    )


def _plain(meta: Mapping[str, object]) -> dict[str, object]:
    plain: dict[str, object] = json.loads(json.dumps(dict(meta), sort_keys=True))
    return plain


def _stat(path: Path) -> list[int]:
    """Size, times and inode; the change time sees a write whose mtime was set back."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _materialise_links(folder: Path) -> None:
    """A link to elsewhere would change with elsewhere: put the bytes in its place."""
    for path in content.files(folder):
        link = folder / path
        if link.is_symlink():
            target = link.resolve()
            partial = link.with_name(f".{link.name}.copy")
            shutil.copyfile(target, partial)
            partial.replace(link)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:  # another file system
        shutil.copytree(source, target)
        shutil.rmtree(source)


def _make_read_only(folder: Path) -> None:
    for path in content.files(folder):
        (folder / path).chmod(modes.S_IRUSR | modes.S_IRGRP | modes.S_IROTH)
