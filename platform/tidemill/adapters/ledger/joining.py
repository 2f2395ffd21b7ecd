"""Joining feedback to the answers it is about, whichever of the two comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, select, update

from tidemill.adapters.ledger.base import new_row
from tidemill.adapters.ledger.event_parsing import Intake, Row, pack
from tidemill.adapters.ledger.event_tables import feedback, inference, lifecycle, quarantine

CHUNK = 500
T = TypeVar("T")


_PLACE = ("inference", "inference_partition", "inference_offset")
_SET = ("state", "subject", "release", "arrived", *_PLACE)
_JOIN = (
    update(feedback)
    .where(feedback.c.seq == bindparam("of"))
    .values({name: bindparam(name) for name in _SET} | {"raw": None, "headers": None})
)


@dataclass(frozen=True)
class Taken:
    """What one batch came to."""

    records: int = 0
    new: int = 0
    duplicates: int = 0
    quarantined: int = 0
    joined: int = 0
    """Feedback that found its answer; a little high where a batch also held duplicates."""

    def __add__(self, other: Taken) -> Taken:
        return Taken(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def take(connection: Connection, intake: Intake) -> Taken:
    """Insert what is new, joined where it can be."""
    known = _inferences(connection, {row["response_id"] for row in intake.feedback})
    new_answers = add(connection, inference, intake.inference)
    if intake.inference:
        ids = {row["response_id"] for row in intake.feedback}
        asked = {r["response_id"] for r in intake.inference} & ids
        known |= _inferences(connection, asked)
    good, bad = _join(intake.feedback, known)
    new_feedback = add(connection, feedback, good)
    new_lifecycle = add(connection, lifecycle, intake.lifecycle)
    broken_rows = intake.broken + bad
    held = add(connection, quarantine, broken_rows)
    joined = min(new_feedback, sum(row["state"] == "joined" for row in good))
    if new_answers:
        joined += _late_join(connection, [row["response_id"] for row in intake.inference])
    new = new_answers + new_feedback + new_lifecycle
    given = len(intake.inference) + len(good) + len(intake.lifecycle)
    return Taken(new=new, duplicates=given - new, quarantined=held, joined=joined)


def _join(rows: list[Row], known: Mapping[str, Mapping[Any, Any]]) -> tuple[list[Row], list[Row]]:
    good, bad = [], []
    for row in rows:
        answer = known.get(row["response_id"])
        if answer is None:
            row["headers"] = pack(row["headers"])
        elif answer["service"] != row["service"]:
            bad.append(_wrong_service(row, answer, pack(row["headers"]), row["arrived"]))
            continue
        else:
            row |= _joined(row, answer) | {"raw": None, "headers": None}
        good.append(row)
    return good, bad


def _joined(row: Mapping[Any, Any], answer: Mapping[Any, Any]) -> Row:
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
) -> Row:
    reason = (
        f"response '{row['response_id']}' is of the service '{answer['service']}'; "
        f"feedback on '{row['topic']}' is about '{row['service']}'"
    )
    return _quarantined(row, headers, reason, at)


def _quarantined(row: Mapping[Any, Any], headers: str, reason: str, at: float) -> Row:
    kept = {name: row[name] for name in ("topic", "partition", "offset", "dead_letter")}
    key = row["subject"].encode() if row["subject"] else None
    return {**kept, "key": key, "headers": headers, "value": row["raw"], "reason": reason, "at": at}


def expire(connection: Connection, row: Mapping[Any, Any], reason: str, at: float) -> None:
    """Give up waiting: the feedback goes to quarantine, its id stays known."""
    add(connection, quarantine, [_quarantined(row, row["headers"], reason, at)])
    done = update(feedback).where(feedback.c.seq == row["seq"])
    connection.execute(done.values(state="expired", raw=None, headers=None))


def _late_join(connection: Connection, response_ids: Sequence[str]) -> int:
    """Join feedback that waited for these answers."""
    joined = []
    for chunk in chunks(response_ids):
        waits = and_(feedback.c.state == "waiting", feedback.c.response_id.in_(chunk))
        rows = connection.execute(select(feedback).where(waits)).mappings().all()
        known = _inferences(connection, {row["response_id"] for row in rows})
        for row in rows:
            answer = known[row["response_id"]]
            if answer["service"] != row["service"]:
                bad = _wrong_service(row, answer, row["headers"], answer["arrived"])
                expire(connection, row, bad["reason"], bad["at"])
                continue
            # It counts from now on: conditions and rollouts look at what arrived since.
            joined.append({"of": row["seq"], **_joined(row, answer), "arrived": answer["arrived"]})
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
    found: dict[str, Mapping[Any, Any]] = {}
    for chunk in chunks(sorted(response_ids)):
        query = select(*columns).where(inference.c.response_id.in_(chunk))
        for row in connection.execute(query.order_by(inference.c.seq)).mappings():
            found.setdefault(row["response_id"], row)
    return found


def add(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert the rows that are new; how many were."""
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        # Plain tuples past SQLAlchemy's per-row work: a third less time for a batch.
        names = tuple(rows[0])
        marks = ", ".join("?" * len(names))
        columns = ", ".join(f'"{name}"' for name in names)
        into = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608 - our names
        into += " ON CONFLICT DO NOTHING"
        return connection.exec_driver_sql(into, list(map(itemgetter(*names), rows))).rowcount
    statement = new_row(connection, table)
    key = next(iter(table.primary_key.columns))
    return len(connection.execute(statement.returning(key), rows).all())


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists short enough for one IN."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
