"""What valid projects said when they were last read, by the ids of their files.

A hint and nothing more: a missing, corrupt or foreign file only means that projects are read. What
is kept is JSON with a checksum, under a key that holds Tidemill's own code as well, so a new
version of Tidemill or of a technique never meets what another one kept.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tidemill.adapters.git.trees import LINK, MODULE, Blob

FORMAT = 1
MOST_BYTES = 64 << 20
"""The least recently used go beyond this."""
_ID = 0x71DE311
_TABLE = """create table if not exists projects (
  key text primary key, brief blob not null, whole blob not null, outside text not null,
  checksum text not null, bytes integer not null, used real not null)"""
_SELECT = "select key, brief, whole, outside, checksum from projects where key in (?)"
_TOUCH = "update projects set used = ? where key in (?)"


@dataclass(frozen=True)
class Kept:
    """One project as it was read."""

    brief: bytes
    """JSON: name, service and topic of each spec."""
    whole: bytes
    """Compressed JSON: everything known of each spec."""
    outside: Mapping[str, str]
    """Files it names that Git does not know, with the hash of their bytes."""

    def count(self) -> int:
        """How many specs it has."""
        return len(json.loads(self.brief))

    def specs(self) -> list[dict[str, Any]]:
        """Everything known of each spec."""
        found: list[dict[str, Any]] = json.loads(zlib.decompress(self.whole))
        return found


def key_of(name: str, files: Mapping[str, Blob], code: str) -> str | None:
    """What a project is kept under; None where ids of files do not say what will be read (links,
    submodules, unreadable files)."""
    if any(blob.mode in (LINK, MODULE) for blob in files.values()):
        return None
    total = hashlib.sha256(f"{FORMAT}\0{code}\0{name}\0".encode("utf-8", "surrogateescape"))
    for path in sorted(files):
        line = f"{files[path].mode} {files[path].id} {path}\0"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


@cache
def code_of(package: Path) -> str:
    """A hash over Tidemill's own source, and what checks values for it."""
    import pydantic_core

    total = hashlib.sha256(pydantic_core.__version__.encode())
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


@dataclass(frozen=True)
class Cache:
    """The kept projects of one home."""

    path: Path

    def get(self, keys: Iterable[str]) -> dict[str, Kept]:
        """What is kept under these keys and whole."""
        found: dict[str, Kept] = {}
        wanted = list(keys)
        with self._open() as database:
            if database is None:
                return {}
            for start in range(0, len(wanted), 500):
                some = wanted[start : start + 500]
                marks = ",".join("?" * len(some))
                for row in database.execute(_SELECT.replace("?", marks), some):
                    if _is_sound(*row):
                        found[row[0]] = Kept(row[1], row[2], json.loads(row[3]))
                database.execute(_TOUCH.replace("in (?)", f"in ({marks})"), [time.time(), *some])
        return found

    def put(self, kept: Mapping[str, Kept]) -> None:
        """Keep these, and let the least recently used go where there is too much."""
        if not kept:
            return
        with self._open() as database:
            if database is None:
                return
            now = time.time()
            database.executemany(
                "insert or replace into projects values (?, ?, ?, ?, ?, ?, ?)",
                [_row(key, one, now) for key, one in kept.items()],
            )
            self._shrink(database)

    def _shrink(self, database: sqlite3.Connection) -> None:
        total = database.execute("select coalesce(sum(bytes), 0) from projects").fetchone()[0]
        for key, size in database.execute("select key, bytes from projects order by used"):
            if total <= MOST_BYTES:
                break
            database.execute("delete from projects where key = ?", [key])
            total -= size

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """The database in one transaction; None where it cannot be used, and a broken one goes."""
        database = None
        try:
            database = _connect(self.path)
        except (sqlite3.DatabaseError, OSError) as error:
            if not isinstance(error, (sqlite3.OperationalError, OSError)):
                with suppress(OSError):
                    self.path.unlink()  # no database at all
        try:
            if database is None:
                yield None
            else:
                with suppress(sqlite3.DatabaseError, ValueError), database:
                    yield database
        finally:
            if database is not None:
                database.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=2)
    try:
        if database.execute("pragma application_id").fetchone()[0] not in (0, _ID):
            raise sqlite3.OperationalError("a database of somebody else: let it be")
        database.execute("pragma synchronous = off")
        database.execute(f"pragma application_id = {_ID}")
        database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _is_sound(key: Any, brief: Any, whole: Any, outside: Any, checksum: Any) -> bool:
    kinds = isinstance(brief, bytes) and isinstance(whole, bytes) and isinstance(outside, str)
    return kinds and checksum == _checksum(key, brief, whole, outside)


def _row(key: str, kept: Kept, now: float) -> tuple[Any, ...]:
    outside = json.dumps(kept.outside, sort_keys=True)
    size = len(kept.brief) + len(kept.whole) + len(outside)
    checksum = _checksum(key, kept.brief, kept.whole, outside)
    return key, kept.brief, kept.whole, outside, checksum, size, now


def _checksum(key: str, brief: bytes, whole: bytes, outside: str) -> str:
    total = hashlib.sha256(key.encode())
    for part in (brief, whole, outside.encode("utf-8", "surrogateescape")):
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()
