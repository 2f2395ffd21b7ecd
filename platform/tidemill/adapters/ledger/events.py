"""The ledger's side of the stream: rows and the next offset in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.exc import DataError, OperationalError, StatementError

from tidemill.adapters.ledger.base import new_row
from tidemill.adapters.ledger.event_parsing import Intake, Row, broken, sort, unpack
from tidemill.adapters.ledger.event_tables import (
    REPLAYED,
    feedback,
    inference,
    offsets,
    quarantine,
    stamp,
)
from tidemill.adapters.ledger.feedback import FeedbackQueries
from tidemill.adapters.ledger.joining import Taken, chunks, expire, take
from tidemill.errors import Overtaken, StorageError
from tidemill.ports import Message, Span

if TYPE_CHECKING:
    from tidemill.spec.feedback import Feedback as Contract


@dataclass(frozen=True)
class Position:
    """Where to read on in one partition."""

    topic: str
    partition: int
    next: int
    """Kafka's offset of the next record to read."""
    base: int
    """Records of earlier incarnations of the topic; the ledger's offset is base + Kafka's."""
    incarnation: str
    restarted: bool = False
    """True where the broker lost what it had, and reading begins anew."""
    lost: int = 0
    """Records the broker's retention deleted before they were read."""


class EventLedger(FeedbackQueries):
    """Takes events in, each once; what reads them is in `FeedbackQueries`."""

    def positions(self, topic: str, spans: Mapping[int, Span], now: datetime) -> list[Position]:
        """Where to read on, given what the broker holds; remembers partitions it sees first.

        A topic that is not the one that was read before (the broker restarted empty) begins anew:
        its offsets count from where the old ones ended, and event ids keep anything from counting
        twice.
        """
        found = []
        with self._writing() as connection:
            for partition, span in sorted(spans.items()):
                where = _at(topic, partition)
                row = connection.execute(select(offsets).where(where)).first()
                position = _resume(topic, partition, span, row._mapping if row else None)
                values = {
                    "base": position.base,
                    "next": position.next,
                    "incarnation": position.incarnation,
                }
                if row is None:
                    key = {"topic": topic, "partition": partition}
                    connection.execute(
                        new_row(connection, offsets), {**key, **values, "updated": stamp(now)}
                    )
                elif any(row._mapping[name] != value for name, value in values.items()):
                    connection.execute(update(offsets).where(where).values(**values))
                found.append(position)
        return found

    def ingest(
        self,
        records: Sequence[Message],
        positions: Iterable[Position],
        contracts: Mapping[str, Contract],
        now: datetime,
    ) -> Taken:
        """Take a batch in: rows, quarantine and offsets in one transaction.

        Records are in order within a partition. Raises `Overtaken` where another process was
        faster; nothing is written then.
        """
        bases = {(p.topic, p.partition): p.base for p in positions}
        try:
            return self._write(records, bases, sort(records, contracts, now), now)
        except (DataError, StatementError, UnicodeError) as error:
            if getattr(error, "connection_invalidated", False) or not _is_data(error):
                raise
            if len(records) == 1:  # the one that the database refuses
                reason = f"the database refuses it: {getattr(error, 'orig', error)}"
                contract = contracts.get(records[0].topic)
                refused = Intake(broken=[broken(records[0], contract, reason, stamp(now))])
                return self._write(records, bases, refused, now)
            half, given = len(records) // 2, list(positions)
            first = self.ingest(records[:half], given, contracts, now)
            return first + self.ingest(records[half:], given, contracts, now)

    def expire(self, now: datetime) -> int:
        """Quarantine the feedback whose inference did not come within the join window."""
        with self._writing() as connection:
            due = and_(feedback.c.state == "waiting", feedback.c.deadline <= stamp(now))
            rows = connection.execute(select(feedback).where(due).limit(10_000)).mappings().all()
            for row in rows:
                reason = (
                    f"no inference record of response '{row['response_id']}' came within the "
                    "join window; check that the service writes inference events, then replay"
                )
                expire(connection, row, reason, stamp(now))
        return len(rows)

    def replay(
        self, contracts: Mapping[str, Contract], now: datetime, ids: Sequence[int] | None = None
    ) -> Taken:
        """Try quarantined events again after a fix; what is still broken stays, with its reason."""
        query = select(quarantine).order_by(quarantine.c.id)
        if ids is not None:
            query = query.where(quarantine.c.id.in_(ids))
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        total = Taken()
        for row in rows:
            total += self._replay(row, contracts, now)
        return total

    def quarantined(self, limit: int = 100, *, raw: bool = False) -> list[Row]:
        """The newest quarantined events: id, topic, partition, offset, reason, at."""
        columns = quarantine.c if raw else [c for c in quarantine.c if c.name != "value"]
        query = select(*columns).order_by(quarantine.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def to_copy(self, limit: int = 1000) -> list[tuple[int, Message]]:
        """Quarantined events that their dead-letter topic has not got yet, by quarantine id."""
        query = select(quarantine).where(quarantine.c.dead_letter.is_not(None))
        with self.engine.connect() as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return [
            (
                row["id"],
                Message(
                    row["dead_letter"],
                    row["value"],
                    row["key"],
                    (*unpack(row["headers"]), ("tidemill-reason", row["reason"].encode())),
                ),
            )
            for row in rows
        ]

    def copied(self, ids: Sequence[int]) -> None:
        """Remember that the dead-letter topics have these."""
        with self._writing() as connection:
            for chunk in chunks(ids):
                done = update(quarantine).where(quarantine.c.id.in_(chunk))
                connection.execute(done.values(dead_letter=None))

    def erase(self, subject: str) -> int:
        """Delete every event of a subject; returns how many rows went."""
        with self._writing() as connection:
            gone = [
                connection.execute(delete(table).where(table.c.subject == subject)).rowcount
                for table in (feedback, inference)
            ]
            held = quarantine.c.key == subject.encode()
            gone.append(connection.execute(delete(quarantine).where(held)).rowcount)
        return sum(gone)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self.engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise StorageError(
                f"the ledger cannot be written: {error.orig}; check its disk and server"
            ) from error

    def _write(
        self,
        records: Sequence[Message],
        bases: Mapping[tuple[str, int], int],
        intake: Intake,
        now: datetime,
    ) -> Taken:
        with self._writing() as connection:
            # First, because it takes SQLite's write lock: all that follows sees one state.
            _advance(connection, records, bases, now)
            for rows in (intake.inference, intake.feedback, intake.lifecycle, intake.broken):
                for row in rows:
                    row["offset"] += bases[row["topic"], row["partition"]]
            return replace(take(connection, intake), records=len(records))

    def _replay(
        self, row: Mapping[Any, Any], contracts: Mapping[str, Contract], now: datetime
    ) -> Taken:
        message = Message(row["topic"], row["value"], row["key"], unpack(row["headers"]), REPLAYED)
        intake = sort([message], contracts, now)
        with self._writing() as connection:
            gone = connection.execute(delete(quarantine).where(quarantine.c.id == row["id"]))
            if not gone.rowcount:
                return Taken()
            place = _place(connection, row["topic"], now)
            for rows in (intake.inference, intake.feedback, intake.lifecycle):
                for made in rows:
                    made["offset"] = place
                    expired = and_(
                        feedback.c.event_id == made["event_id"],
                        feedback.c.source == made["source"],
                        feedback.c.state == "expired",
                    )
                    connection.execute(delete(feedback).where(expired))
            for made in intake.broken:
                made |= {"partition": row["partition"], "offset": row["offset"], "id": row["id"]}
            return replace(take(connection, intake), records=1)


def _resume(topic: str, partition: int, span: Span, row: Mapping[Any, Any] | None) -> Position:
    if row is None:
        return Position(topic, partition, span.first, 0, span.incarnation)
    anew = row["incarnation"] != span.incarnation
    if not span.incarnation:  # a broker without topic ids: only a shorter log gives it away
        anew = span.end < row["next"]
    if anew:
        base = row["base"] + row["next"]
        return Position(topic, partition, span.first, base, span.incarnation, restarted=True)
    lost = max(0, span.first - row["next"])
    return Position(topic, partition, row["next"] + lost, row["base"], span.incarnation, lost=lost)


def _advance(
    connection: Connection,
    records: Sequence[Message],
    bases: Mapping[tuple[str, int], int],
    now: datetime,
) -> None:
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    for record in records:
        where = record.topic, record.partition
        ends[where] = ends.get(where, (record.offset, 0))[0], record.offset + 1
    for (topic, partition), (first, end) in ends.items():
        mine = offsets.c.base == bases[topic, partition]
        moved = update(offsets).where(_at(topic, partition), mine, offsets.c.next <= first)
        if not connection.execute(moved.values(next=end, updated=stamp(now))).rowcount:
            raise Overtaken(f"another ingest has read {topic}/{partition} beyond {first}")


def _place(connection: Connection, topic: str, now: datetime) -> int:
    """The next place in the topic's partition of replayed events."""
    where = _at(topic, REPLAYED)
    moved = update(offsets).where(where).values(next=offsets.c.next + 1, updated=stamp(now))
    if not connection.execute(moved).rowcount:
        row = {"topic": topic, "partition": REPLAYED, "base": 0, "next": 1, "incarnation": ""}
        connection.execute(insert(offsets), {**row, "updated": stamp(now)})
    return int(connection.scalar(select(offsets.c.next).where(where)) or 1) - 1


def _at(topic: str, partition: int) -> Any:
    return and_(offsets.c.topic == topic, offsets.c.partition == partition)


def _is_data(error: BaseException) -> bool:
    """True where the values are to blame, not the connection, the disk or a lock."""
    if isinstance(error, StatementError) and error.orig is not None:
        return isinstance(error, DataError) or isinstance(
            error.orig, UnicodeError | OverflowError | ValueError | TypeError
        )
    return isinstance(error, UnicodeError)
