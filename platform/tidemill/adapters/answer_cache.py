"""What searches remember below the home: answers by what was asked, who decided on which rows, and
what came of a search.

A small SQLite file of its own: it may be deleted at any time, and asking again costs what it costs.
"""

from __future__ import annotations

import hashlib
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
create table if not exists look_rows (
    row text not null, rows text not null, primary key (row, rows)
) without rowid;
create index if not exists look_rows_by_rows on look_rows (rows);
create table if not exists outcomes (search text primary key, outcome text not null) without rowid;
"""
_COUNT_LOOK = """
insert or ignore into looks select :rows, :candidate, 1 + count(*) from looks where rows in (
    select other.rows from look_rows own join look_rows other on other.row = own.row
    where own.rows = :rows
    group by other.rows
    having 2 * count(*) >= min(
        :size, (select count(*) from look_rows where rows = other.rows)
    )
)
"""
"""Counts the looks at rows that share half or more with these, of the smaller of both sets."""
_BATCH = 500
_WAIT = 60.0


class SearchMemory:
    """A `tidemill.pipeline.cached_runtime.Memory` in a file; several processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.executescript(_TABLES)

    @classmethod
    def of_home(cls, home: Path) -> SearchMemory:
        """What searches and evaluations of a home remember."""
        return cls(home / "search" / "memory.db")

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

    def record_comparison(self, rows: Sequence[str], candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1, with those that were
        decided on rows that share half or more with them."""
        key = _rows_key(rows)
        with self._open() as connection:
            connection.execute("begin immediate")
            pairs = [(row, key) for row in rows]
            connection.executemany("insert or ignore into look_rows values (?, ?)", pairs)
            look = {"rows": key, "candidate": candidate, "size": len(set(rows))}
            connection.execute(_COUNT_LOOK, look)
            query = "select place from looks where rows = ? and candidate = ?"
            return int(connection.execute(query, (key, candidate)).fetchone()[0])

    def outcome(self, search: str) -> Mapping[str, str] | None:
        """What came of a search, by its key; None where it was never finished."""
        with self._open() as connection:
            query = "select outcome from outcomes where search = ?"
            row = connection.execute(query, (search,)).fetchone()
        outcome: Mapping[str, str] | None = json.loads(row[0]) if row else None
        return outcome

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


def _rows_key(rows: Sequence[str]) -> str:
    """Names a set of rows, in whatever order."""
    return hashlib.sha256("\n".join(sorted(set(rows))).encode()).hexdigest()


class PassingMemory:
    """The twin: remembers for as long as the object lives."""

    def __init__(self) -> None:
        self.answers: dict[str, StoredAnswer] = {}
        self.looks: dict[tuple[str, str], int] = {}
        self.look_rows: dict[str, frozenset[str]] = {}
        self.outcomes: dict[str, Mapping[str, str]] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, StoredAnswer]:
        """The kept answers among these keys."""
        return {key: self.answers[key] for key in keys if key in self.answers}

    def put_many(self, answers: Mapping[str, StoredAnswer]) -> None:
        """Keep answers."""
        self.answers.update(answers)

    def record_comparison(self, rows: Sequence[str], candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1, with those that were
        decided on rows that share half or more with them."""
        key = _rows_key(rows)
        own = self.look_rows[key] = frozenset(rows)
        similar = {
            name
            for name, other in self.look_rows.items()
            if 2 * len(own & other) >= min(len(own), len(other))
        }
        earlier = sum(looked in similar for looked, _ in self.looks)
        return self.looks.setdefault((key, candidate), 1 + earlier)

    def outcome(self, search: str) -> Mapping[str, str] | None:
        """What came of a search, by its key; None where it was never finished."""
        return self.outcomes.get(search)

    def record_outcome(self, search: str, outcome: Mapping[str, str]) -> None:
        """Keep what came of a search."""
        self.outcomes[search] = outcome
