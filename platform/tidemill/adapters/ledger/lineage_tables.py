"""The tables of lineage: edges between what was made, and the rows that datasets hold.

A row is kept once, whatever number of datasets hold it: 64 bits of its content's hash (its id, 16
hex digits), where it came from, and 64 bits of a hash of its subject. No text of any row is here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    insert,
    select,
)

from tidemill.adapters.ledger.base import metadata, new_row
from tidemill.engine.lineage import Edge

SPLITS = ("train", "validation", "test")
_KEY = BigInteger().with_variant(Integer, "sqlite")

edges = Table(
    "lineage_edges",
    metadata,
    Column("child", String(96), primary_key=True),
    Column("parent", String(96), primary_key=True),
    Column("role", String(200), primary_key=True),
    Index("lineage_by_parent", "parent"),
    sqlite_with_rowid=False,
)

datasets = Table(
    "lineage_datasets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("digest", String(80), nullable=False, unique=True),
    Column("rows", Integer, nullable=False),
    Column("from_feedback", Integer, nullable=False),
)

rows = Table(
    "lineage_rows",
    metadata,
    Column("row", _KEY, primary_key=True, autoincrement=False),
    Column("source", String(400), nullable=False),
    Column("line", Integer),
    Column("event", String(200)),
    Column("place", String(300)),  # topic/partition/offset of the event
    Column("answer", String(200)),  # the response that the event is about
    Column("subject", BigInteger),
)
for _name in ("event", "answer", "subject"):
    _given = rows.c[_name].is_not(None)
    Index(f"lineage_rows_by_{_name}", rows.c[_name], sqlite_where=_given, postgresql_where=_given)

held = Table(
    "lineage_held",
    metadata,
    Column("row", _KEY, primary_key=True, autoincrement=False),
    Column("dataset", Integer, primary_key=True, autoincrement=False),
    Column("split", SmallInteger, nullable=False),
    Column("from_feedback", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "lineage_held_feedback",
    held.c.dataset,
    sqlite_where=held.c.from_feedback,
    postgresql_where=held.c.from_feedback,
)

marks = Table("lineage_marks", metadata, Column("name", String(32), primary_key=True))
"""What was done once to a ledger of an older version."""


def write_edges(connection: Connection, made: Iterable[Edge]) -> None:
    """Keep edges; those that are known change nothing."""
    values = [{"child": e.child, "parent": e.parent, "role": e.role[:200]} for e in made]
    if values:
        connection.execute(new_row(connection, edges), values)


def write_rows(connection: Connection, digest: str, given: Sequence[Mapping[str, Any]]) -> None:
    """Keep which rows a dataset holds; `given` as `data.origins.read` gives them."""
    if connection.scalar(select(datasets.c.id).where(datasets.c.digest == digest)) is not None:
        return
    fed = sum(bool(one["event"]) for one in given)
    values = {"digest": digest, "rows": len(given), "from_feedback": fed}
    key = connection.execute(insert(datasets).values(**values)).inserted_primary_key
    assert key is not None
    if given:
        connection.execute(new_row(connection, rows), [_row(one) for one in given])
        holding = [
            {
                "row": number(one["id"]),
                "dataset": key[0],
                "split": SPLITS.index(one["split"]),
                "from_feedback": bool(one["event"]),
            }
            for one in given
        ]
        connection.execute(new_row(connection, held), holding)


def number(row: str) -> int:
    """A row's id as the signed 64-bit integer the tables keep; raises ValueError for no id."""
    return int.from_bytes(bytes.fromhex(row), "big", signed=True)


def row_id(kept: int) -> str:
    """The id of a kept row: 16 hex digits."""
    return kept.to_bytes(8, "big", signed=True).hex()


def subject_number(subject: str) -> int:
    """What is kept of a subject: 64 bits of the hash of the name its rows carry."""
    digest = hashlib.sha256(subject.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "row": number(one["id"]),
        "source": one["source"] or "",
        "line": one["line"],
        "event": one["event"],
        "place": one["place"],
        "answer": one["answer"],
        "subject": None if one["subject"] is None else subject_number(one["subject"]),
    }
