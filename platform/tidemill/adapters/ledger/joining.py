"""Joins feedback to the answers it is about, whichever of the two comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, select, update

from tidemill.adapters.ledger.base import SqlRow, insert_if_missing
from tidemill.adapters.ledger.event_parsing import ParsedBatch, headers_to_text
from tidemill.adapters.ledger.event_tables import feedback, inference, lifecycle, quarantine
from tidemill.records import IngestResult

CHUNK = 500
T = TypeVar("T")


_ANSWER = ("inference", "inference_partition", "inference_offset")
_SET = ("state", "subject", "release", "arrived", *_ANSWER)
_JOIN = (
    update(feedback)
    .where(feedback.c.seq == bindparam("of"))
    .values({name: bindparam(name) for name in _SET} | {"raw": None, "headers": None})
)


def insert_batch(connection: Connection, batch: ParsedBatch) -> IngestResult:
    """Insert the new rows, and join feedback and answers wherever both are there."""
    answers = _inferences(connection, {row["response_id"] for row in batch.feedback})
    new_answers = insert_new(connection, inference, batch.inference)
    if batch.inference:
        ids = {row["response_id"] for row in batch.feedback}
        together = {r["response_id"] for r in batch.inference} & ids
        answers |= _inferences(connection, together)
    good, bad = _join(batch.feedback, answers)
    new_feedback = insert_new(connection, feedback, good)
    new_lifecycle = insert_new(connection, lifecycle, batch.lifecycle)
    quarantined = insert_new(connection, quarantine, batch.quarantined + bad)
    joined = min(new_feedback, sum(row["state"] == "joined" for row in good))
    if new_answers:
        joined += _late_join(connection, [row["response_id"] for row in batch.inference])
    new = new_answers + new_feedback + new_lifecycle
    total = len(batch.inference) + len(good) + len(batch.lifecycle)
    return IngestResult(
        inserted=new, duplicates=total - new, quarantined=quarantined, joined=joined
    )


def _join(
    rows: list[SqlRow], answers: Mapping[str, Mapping[Any, Any]]
) -> tuple[list[SqlRow], list[SqlRow]]:
    good, bad = [], []
    for row in rows:
        answer = answers.get(row["response_id"])
        if row["state"] == "joined":  # a review with its own question needs no answer
            row |= {"raw": None, "headers": None}
        elif answer is None:
            row["headers"] = headers_to_text(row["headers"])
        elif answer["service"] != row["service"]:
            bad.append(_wrong_service(row, answer, headers_to_text(row["headers"]), row["arrived"]))
            continue
        else:
            row |= _join_row(row, answer) | {"raw": None, "headers": None}
        good.append(row)
    return good, bad


def _join_row(row: Mapping[Any, Any], answer: Mapping[Any, Any]) -> SqlRow:
    return {
        "state": "joined",
        "subject": row["subject"] or answer["subject"],
        "release": answer["release"],
        "inference": answer["seq"],
        "inference_partition": answer["partition"],
        "inference_offset": answer["offset"],
    }


def _wrong_service(
    row: Mapping[Any, Any], answer: Mapping[Any, Any], headers: str, at: float
) -> SqlRow:
    reason = (
        f"response '{row['response_id']}' is of the service '{answer['service']}'; "
        f"feedback on '{row['topic']}' is about '{row['service']}'"
    )
    return _quarantine_row(row, headers, reason, at)


def _quarantine_row(row: Mapping[Any, Any], headers: str, reason: str, at: float) -> SqlRow:
    source = {name: row[name] for name in ("topic", "partition", "offset", "dead_letter")}
    key = row["subject"].encode() if row["subject"] else None
    cause = {"reason": reason, "at": at}
    return {**source, "key": key, "headers": headers, "value": row["raw"], **cause}


def expire_feedback(connection: Connection, row: Mapping[Any, Any], reason: str, at: float) -> None:
    """Stop waiting for the answer: the feedback goes to quarantine, and its id stays stored."""
    insert_new(connection, quarantine, [_quarantine_row(row, row["headers"], reason, at)])
    done = update(feedback).where(feedback.c.seq == row["seq"])
    connection.execute(done.values(state="expired", raw=None, headers=None))


def _late_join(connection: Connection, response_ids: Sequence[str]) -> int:
    """Join feedback that waited for these answers."""
    joined = []
    for chunk in chunks(response_ids):
        waits = and_(feedback.c.state == "waiting", feedback.c.response_id.in_(chunk))
        rows = connection.execute(select(feedback).where(waits)).mappings().all()
        answers = _inferences(connection, {row["response_id"] for row in rows})
        for row in rows:
            answer = answers[row["response_id"]]
            if answer["service"] != row["service"]:
                bad = _wrong_service(row, answer, row["headers"], answer["arrived"])
                expire_feedback(connection, row, bad["reason"], bad["at"])
                continue
            # It counts from now on: conditions and rollouts look at what arrived since.
            joined.append(
                {"of": row["seq"], **_join_row(row, answer), "arrived": answer["arrived"]}
            )
    if joined:
        connection.execute(_JOIN, joined)
    return len(joined)


def _inferences(
    connection: Connection, response_ids: Iterable[str]
) -> dict[str, Mapping[Any, Any]]:
    """The first answer under each id."""
    names = (
        "response_id",
        "seq",
        "partition",
        "offset",
        "service",
        "release",
        "subject",
        "arrived",
    )
    columns = [inference.c[name] for name in names]
    first: dict[str, Mapping[Any, Any]] = {}
    for chunk in chunks(sorted(response_ids)):
        query = select(*columns).where(inference.c.response_id.in_(chunk))
        for row in connection.execute(query.order_by(inference.c.seq)).mappings():
            first.setdefault(row["response_id"], row)
    return first


def insert_new(connection: Connection, table: Table, rows: Sequence[SqlRow]) -> int:
    """Insert the rows that are new; gives their number."""
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        # Plain tuples past SQLAlchemy's per-row work: a third less time for a batch.
        names = tuple(rows[0])
        placeholders = ", ".join("?" * len(names))
        columns = ", ".join(f'"{name}"' for name in names)
        into = f'INSERT INTO "{table.name}" ({columns}) VALUES ({placeholders})'  # noqa: S608 - our names
        into += " ON CONFLICT DO NOTHING"
        return connection.exec_driver_sql(into, list(map(itemgetter(*names), rows))).rowcount
    statement = insert_if_missing(connection, table)
    key = next(iter(table.primary_key.columns))
    return len(connection.execute(statement.returning(key), rows).all())


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists short enough for one IN."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
