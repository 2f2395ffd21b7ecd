"""The tables of lineage: edges between what was built, and the rows that datasets contain.

A row is stored once, however many datasets contain it: 64 bits of its content's hash (its id, 16
hex digits), where it came from, and 64 bits of a hash of its subject. No text of any row is here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

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

from tidemill.adapters.ledger.base import SqlRow, insert_if_missing, metadata
from tidemill.engine.lineage import Edge

if TYPE_CHECKING:
    from tidemill.data.origins import RowOrigin

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
    Column("feedback_offset", String(300)),  # topic/partition/offset of the event
    Column("response_id", String(200)),  # the answer that the event is about
    Column("subject", BigInteger),
)
for _name in ("event", "response_id", "subject"):
    _present = rows.c[_name].is_not(None)
    Index(
        f"lineage_rows_by_{_name}",
        rows.c[_name],
        sqlite_where=_present,
        postgresql_where=_present,
    )

dataset_rows = Table(
    "lineage_dataset_rows",
    metadata,
    Column("row", _KEY, primary_key=True, autoincrement=False),
    Column("dataset", Integer, primary_key=True, autoincrement=False),
    Column("split", SmallInteger, nullable=False),
    Column("from_feedback", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "lineage_dataset_rows_feedback",
    dataset_rows.c.dataset,
    sqlite_where=dataset_rows.c.from_feedback,
    postgresql_where=dataset_rows.c.from_feedback,
)


def write_edges(connection: Connection, new: Iterable[Edge]) -> None:
    """Store edges; those that are there already change nothing."""
    values = [{"child": e.child, "parent": e.parent, "role": e.role[:200]} for e in new]
    if values:
        connection.execute(insert_if_missing(connection, edges), values)


def write_rows(connection: Connection, digest: str, origins: Sequence[RowOrigin]) -> None:
    """Store which rows a dataset contains; `origins` as `data.origins.read` gives them."""
    if connection.scalar(select(datasets.c.id).where(datasets.c.digest == digest)) is not None:
        return
    from_feedback = sum(bool(origin["event"]) for origin in origins)
    values = {"digest": digest, "rows": len(origins), "from_feedback": from_feedback}
    key = connection.execute(insert(datasets).values(**values)).inserted_primary_key
    assert key is not None
    if origins:
        connection.execute(insert_if_missing(connection, rows), list(map(_row, origins)))
        contents = [
            {
                "row": row_key(origin["id"]),
                "dataset": key[0],
                "split": SPLITS.index(origin["split"]),
                "from_feedback": bool(origin["event"]),
            }
            for origin in origins
        ]
        connection.execute(insert_if_missing(connection, dataset_rows), contents)


def row_key(row: str) -> int:
    """A row's id as the signed 64-bit integer of the tables; raises ValueError for no id."""
    return int.from_bytes(bytes.fromhex(row), "big", signed=True)


def row_id(key: int) -> str:
    """The row's id, 16 hex digits, of an integer of the tables."""
    return key.to_bytes(8, "big", signed=True).hex()


def subject_number(subject: str) -> int:
    """What the tables hold of a subject: 64 bits of the hash of the name its rows carry."""
    digest = hashlib.sha256(subject.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _row(origin: RowOrigin) -> SqlRow:
    subject = origin["subject"]
    return {
        "row": row_key(origin["id"]),
        "source": origin["source"] or "",
        "line": origin["line"],
        "event": origin["event"],
        "feedback_offset": origin["place"],
        "response_id": origin["answer"],
        "subject": None if subject is None else subject_number(subject),
    }
