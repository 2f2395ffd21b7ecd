"""Valid projects as they were last read, by the ids of their files.

Only a hint: where the file is missing, damaged or not ours, projects are read again. An entry is
JSON with a checksum. Its key covers Tidemill's own code too, so a new version of Tidemill or of a
technique never meets an entry of another version.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tidemill.adapters.git.trees import LINK, MODULE, Blob
from tidemill.planning.cached_project import CachedProject

FORMAT = 2
MAX_BYTES = 64 << 20
"""Beyond this the least recently used projects are deleted."""
_ID = 0x71DE311
_TABLE = """create table if not exists projects (
  key text primary key, brief blob not null, whole blob not null, outside text not null,
  checksum text not null, bytes integer not null, used real not null)"""
_SELECT = "select key, brief, whole, outside, checksum from projects where key in (?)"
_TOUCH = "update projects set used = ? where key in (?)"


def cache_key(name: str, files: Mapping[str, Blob], code: str) -> str | None:
    """The key of a project with these files; None where the ids of the files do not tell what will
    be read (links, submodules, unreadable files)."""
    if any(blob.mode in (LINK, MODULE) for blob in files.values()):
        return None
    total = hashlib.sha256(f"{FORMAT}\0{code}\0{name}\0".encode("utf-8", "surrogateescape"))
    for path in sorted(files):
        line = f"{files[path].mode} {files[path].id} {path}\0"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


@cache
def code_hash(package: Path) -> str:
    """A hash over Tidemill's source and the version of pydantic, which checks values for it."""
    import pydantic_core

    total = hashlib.sha256(pydantic_core.__version__.encode())
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


@dataclass(frozen=True)
class PlanCache:
    """The cached projects of one home."""

    path: Path

    def get(self, keys: Iterable[str]) -> dict[str, CachedProject]:
        """The projects under these keys that are cached and not damaged."""
        projects: dict[str, CachedProject] = {}
        all_keys = list(keys)
        with self._open() as database:
            if database is None:
                return {}
            for start in range(0, len(all_keys), 500):
                batch = all_keys[start : start + 500]
                marks = ",".join("?" * len(batch))
                for row in database.execute(_SELECT.replace("?", marks), batch):
                    if _is_sound(*row):
                        projects[row[0]] = CachedProject(row[1], row[2], json.loads(row[3]))
                database.execute(_TOUCH.replace("in (?)", f"in ({marks})"), [time.time(), *batch])
        return projects

    def put(self, projects: Mapping[str, CachedProject]) -> None:
        """Add these, and delete the least recently used where the cache is too large."""
        if not projects:
            return
        with self._open() as database:
            if database is None:
                return
            now = time.time()
            database.executemany(
                "insert or replace into projects values (?, ?, ?, ?, ?, ?, ?)",
                [_row(key, project, now) for key, project in projects.items()],
            )
            self._shrink(database)

    def _shrink(self, database: sqlite3.Connection) -> None:
        total = database.execute("select coalesce(sum(bytes), 0) from projects").fetchone()[0]
        for key, size in database.execute("select key, bytes from projects order by used"):
            if total <= MAX_BYTES:
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


def _is_sound(key: Any, summary: Any, details: Any, untracked: Any, checksum: Any) -> bool:
    types = isinstance(summary, bytes), isinstance(details, bytes), isinstance(untracked, str)
    return all(types) and checksum == _checksum(key, summary, details, untracked)


def _row(key: str, project: CachedProject, now: float) -> tuple[Any, ...]:
    untracked = json.dumps(project.untracked_files, sort_keys=True)
    size = len(project.summary) + len(project.details) + len(untracked)
    checksum = _checksum(key, project.summary, project.details, untracked)
    return key, project.summary, project.details, untracked, checksum, size, now


def _checksum(key: str, summary: bytes, details: bytes, untracked: str) -> str:
    total = hashlib.sha256(key.encode())
    for part in (summary, details, untracked.encode("utf-8", "surrogateescape")):
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()
