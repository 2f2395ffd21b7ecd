"""What searches remember below the home: answers by what was asked, who decided on which rows, and
what came of a search.

A small SQLite file of its own: it may be deleted at any time, and asking again costs what it costs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tidemill.errors import StorageError
from tidemill.pipeline.cached_runtime import StoredAnswer

_TABLES = """
create table if not exists answers (key text primary key, reply text not null) without rowid;
create table if not exists looks (
    rows text not null, candidate text not null, place integer not null,
    primary key (rows, candidate)
) without rowid;
create table if not exists outcomes (search text primary key, outcome text not null) without rowid;
"""
_BATCH = 500
_WAIT = 60.0


class SearchMemory:
    """A `tidemill.pipeline.cached_runtime.Memory` in a file; several processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.executescript(_TABLES)

    def get_many(self, keys: Sequence[str]) -> Mapping[str, StoredAnswer]:
        """The kept answers among these keys."""
        replies: dict[str, StoredAnswer] = {}
        with self._open() as connection:
            for start in range(0, len(keys), _BATCH):
                some = keys[start : start + _BATCH]
                marks = ",".join("?" * len(some))
                query = f"select key, reply from answers where key in ({marks})"  # noqa: S608
                replies |= {
                    key: json.loads(reply) for key, reply in connection.execute(query, some)
                }
        return replies

    def put_many(self, answers: Mapping[str, StoredAnswer]) -> None:
        """Keep answers; all of them or none."""
        rows = [(key, json.dumps(reply)) for key, reply in answers.items()]
        with self._open() as connection:
            connection.executemany("insert or ignore into answers values (?, ?)", rows)

    def record_comparison(self, rows: str, candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1."""
        with self._open() as connection:
            connection.execute("begin immediate")
            connection.execute(
                "insert or ignore into looks select ?, ?, 1 + count(*) from looks where rows = ?",
                (rows, candidate, rows),
            )
            query = "select place from looks where rows = ? and candidate = ?"
            return int(connection.execute(query, (rows, candidate)).fetchone()[0])

    def outcome(self, search: str) -> Mapping[str, str] | None:
        """What came of a search, by its key; None where it was never finished."""
        with self._open() as connection:
            query = "select outcome from outcomes where search = ?"
            row = connection.execute(query, (search,)).fetchone()
        return json.loads(row[0]) if row else None

    def record_outcome(self, search: str, outcome: Mapping[str, str]) -> None:
        """Keep what came of a search."""
        with self._open() as connection:
            values = (search, json.dumps(dict(outcome)))
            connection.execute("insert or replace into outcomes values (?, ?)", values)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as connection, connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"{self.path}: {error}; free some space, or delete the file: it only saves "
                "asking again"
            ) from error


class PassingMemory:
    """The twin: remembers for as long as the object lives."""

    def __init__(self) -> None:
        self.answers: dict[str, StoredAnswer] = {}
        self.looks: dict[str, list[str]] = {}
        self.outcomes: dict[str, Mapping[str, str]] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, StoredAnswer]:
        """The kept answers among these keys."""
        return {key: self.answers[key] for key in keys if key in self.answers}

    def put_many(self, answers: Mapping[str, StoredAnswer]) -> None:
        """Keep answers."""
        self.answers.update(answers)

    def record_comparison(self, rows: str, candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1."""
        candidates = self.looks.setdefault(rows, [])
        if candidate not in candidates:
            candidates.append(candidate)
        return candidates.index(candidate) + 1

    def outcome(self, search: str) -> Mapping[str, str] | None:
        """What came of a search, by its key; None where it was never finished."""
        return self.outcomes.get(search)

    def record_outcome(self, search: str, outcome: Mapping[str, str]) -> None:
        """Keep what came of a search."""
        self.outcomes[search] = outcome
