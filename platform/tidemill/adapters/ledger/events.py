"""Stores events from Kafka: rows and the next offset in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select, update
from sqlalchemy.exc import DataError, OperationalError, StatementError

from tidemill.adapters.ledger.base import SqlRow, insert_if_missing
from tidemill.adapters.ledger.event_parsing import (
    ParsedBatch,
    headers_from_text,
    parse_records,
    quarantine_row,
)
from tidemill.adapters.ledger.event_tables import (
    REPLAYED,
    feedback,
    inference,
    lifecycle,
    offsets,
    quarantine,
    to_timestamp,
)
from tidemill.adapters.ledger.joining import chunks, expire_feedback, insert_batch
from tidemill.errors import Overtaken, StorageError
from tidemill.ports import Message, PartitionRange
from tidemill.records import IngestResult, ReadPosition

if TYPE_CHECKING:
    from tidemill.spec.feedback import Feedback as Contract


class EventCounts(TypedDict):
    """How many events the ledger holds."""

    inference: int
    lifecycle: int
    quarantine: int
    feedback: int
    """Joined and waiting."""
    joined: int
    waiting: int
    read: dict[str, int]
    """The ledger's next offset by `topic/partition`."""


class EventLedger:
    """The `EventStore` in SQL: takes events in, each once, and moves the offsets."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def positions(
        self, topic: str, ranges: Mapping[int, PartitionRange], now: datetime
    ) -> list[ReadPosition]:
        """Where to read on, given the broker's ranges; stores partitions that are new.

        A topic that is not the one that was read before (the broker restarted empty) is read from
        its start: its offsets count from where the old ones ended, and event ids keep anything
        from counting twice.
        """
        positions = []
        with self._write_transaction() as connection:
            for partition, span in sorted(ranges.items()):
                partition_row = _where_partition(topic, partition)
                row = connection.execute(select(offsets).where(partition_row)).first()
                position = _resume(topic, partition, span, row._mapping if row else None)
                values = {
                    "base_offset": position.base_offset,
                    "next_offset": position.next_offset,
                    "incarnation": position.incarnation,
                }
                if row is None:
                    key = {"topic": topic, "partition": partition}
                    connection.execute(
                        insert_if_missing(connection, offsets),
                        {**key, **values, "updated": to_timestamp(now)},
                    )
                elif any(row._mapping[name] != value for name, value in values.items()):
                    connection.execute(update(offsets).where(partition_row).values(**values))
                positions.append(position)
        return positions

    def ingest(
        self,
        records: Sequence[Message],
        positions: Iterable[ReadPosition],
        contracts: Mapping[str, Contract],
        now: datetime,
    ) -> IngestResult:
        """Take a batch in: rows, quarantine and offsets in one transaction.

        Records are in order within a partition. Raises `Overtaken` where another process was
        faster; nothing is written then.
        """
        bases = {(p.topic, p.partition): p.base_offset for p in positions}
        try:
            return self._write(records, bases, parse_records(records, contracts, now), now)
        except (DataError, StatementError, UnicodeError) as error:
            if getattr(error, "connection_invalidated", False) or not _is_data(error):
                raise
            if len(records) == 1:  # the record that the database refuses
                reason = f"the database rejected it: {getattr(error, 'orig', error)}"
                contract = contracts.get(records[0].topic)
                row = quarantine_row(records[0], contract, reason, to_timestamp(now))
                return self._write(records, bases, ParsedBatch(quarantined=[row]), now)
            half, starts = len(records) // 2, list(positions)
            first = self.ingest(records[:half], starts, contracts, now)
            return first + self.ingest(records[half:], starts, contracts, now)

    def expire_unjoined(self, now: datetime) -> int:
        """Quarantine the feedback whose inference did not come within the join window."""
        with self._write_transaction() as connection:
            due = and_(feedback.c.state == "waiting", feedback.c.deadline <= to_timestamp(now))
            rows = connection.execute(select(feedback).where(due).limit(10_000)).mappings().all()
            for row in rows:
                reason = (
                    f"no inference record of response '{row['response_id']}' came within the "
                    "join window; check that the service writes inference events, then replay"
                )
                expire_feedback(connection, row, reason, to_timestamp(now))
        return len(rows)

    def replay(
        self, contracts: Mapping[str, Contract], now: datetime, ids: Sequence[int] | None = None
    ) -> IngestResult:
        """Try quarantined events again after a fix; what is still broken stays, with its reason."""
        query = select(quarantine).order_by(quarantine.c.id)
        if ids is not None:
            query = query.where(quarantine.c.id.in_(ids))
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        total = IngestResult()
        for row in rows:
            total += self._replay(row, contracts, now)
        return total

    def quarantined_events(self, limit: int = 100, *, raw: bool = False) -> list[SqlRow]:
        """The newest quarantined events: id, topic, partition, offset, reason, at."""
        columns = quarantine.c if raw else [c for c in quarantine.c if c.name != "value"]
        query = select(*columns).order_by(quarantine.c.id.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def uncopied_dead_letters(self, limit: int = 1000) -> list[tuple[int, Message]]:
        """Quarantined events that are not in their dead-letter topic yet, by quarantine id."""
        query = select(quarantine).where(quarantine.c.dead_letter.is_not(None))
        with self.engine.connect() as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return [
            (
                row["id"],
                Message(row["dead_letter"], row["value"], row["key"], _dead_letter_headers(row)),
            )
            for row in rows
        ]

    def mark_copied(self, ids: Sequence[int]) -> None:
        """Mark quarantined events as copied to their dead-letter topics."""
        with self._write_transaction() as connection:
            for chunk in chunks(ids):
                done = update(quarantine).where(quarantine.c.id.in_(chunk))
                connection.execute(done.values(dead_letter=None))

    def next_offsets(self) -> dict[tuple[str, int], int]:
        """(topic, partition) → Kafka's offset of the next record to read, of every partition that
        was ever read."""
        query = select(offsets.c.topic, offsets.c.partition, offsets.c.next_offset)
        with self.engine.connect() as connection:
            return {
                (topic, partition): after for topic, partition, after in connection.execute(query)
            }

    def event_counts(self) -> EventCounts:
        """How many events of each kind are stored, and up to which offset they were read."""
        states = select(feedback.c.state, func.count()).group_by(feedback.c.state)
        with self.engine.connect() as connection:
            by_state: dict[str, int] = dict(connection.execute(states).all())
            counts = {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (inference, lifecycle, quarantine)
            }
            read = {
                f"{row.topic}/{row.partition}": row.base_offset + row.next_offset
                for row in connection.execute(select(offsets).order_by(offsets.c.topic))
            }
        joined, waiting = by_state.get("joined", 0), by_state.get("waiting", 0)
        return {
            "inference": counts["inference"],
            "lifecycle": counts["lifecycle"],
            "quarantine": counts["quarantine"],
            "feedback": joined + waiting,
            "joined": joined,
            "waiting": waiting,
            "read": read,
        }

    def erase_subject(self, subject: str) -> int:
        """Delete every event of a subject; gives the number of deleted rows."""
        conditions = (
            (feedback, feedback.c.subject == subject),
            (inference, inference.c.subject == subject),
            (quarantine, quarantine.c.key == subject.encode()),
        )
        with self._write_transaction() as connection:
            return sum(
                connection.execute(delete(table).where(condition)).rowcount
                for table, condition in conditions
            )

    @contextmanager
    def _write_transaction(self) -> Iterator[Connection]:
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
        batch: ParsedBatch,
        now: datetime,
    ) -> IngestResult:
        with self._write_transaction() as connection:
            # First, because it takes SQLite's write lock: all that follows sees one state.
            _advance(connection, records, bases, now)
            for rows in (batch.inference, batch.feedback, batch.lifecycle, batch.quarantined):
                for row in rows:
                    row["offset"] += bases[row["topic"], row["partition"]]
            return replace(insert_batch(connection, batch), records=len(records))

    def _replay(
        self, row: Mapping[Any, Any], contracts: Mapping[str, Contract], now: datetime
    ) -> IngestResult:
        message = Message(
            row["topic"], row["value"], row["key"], headers_from_text(row["headers"]), REPLAYED
        )
        batch = parse_records([message], contracts, now)
        with self._write_transaction() as connection:
            deleted = connection.execute(delete(quarantine).where(quarantine.c.id == row["id"]))
            if not deleted.rowcount:
                return IngestResult()
            offset = _next_replay_offset(connection, row["topic"], now)
            for rows in (batch.inference, batch.feedback, batch.lifecycle):
                for event in rows:
                    event["offset"] = offset
                    expired = and_(
                        feedback.c.event_id == event["event_id"],
                        feedback.c.source == event["source"],
                        feedback.c.state == "expired",
                    )
                    connection.execute(delete(feedback).where(expired))
            for event in batch.quarantined:
                event |= {"partition": row["partition"], "offset": row["offset"], "id": row["id"]}
            return replace(insert_batch(connection, batch), records=1)


def _resume(
    topic: str, partition: int, span: PartitionRange, row: Mapping[Any, Any] | None
) -> ReadPosition:
    if row is None:
        return ReadPosition(topic, partition, span.first, 0, span.incarnation)
    anew = row["incarnation"] != span.incarnation
    if not span.incarnation:  # a broker without topic ids: only a shorter log gives it away
        anew = span.end < row["next_offset"]
    if anew:
        base = row["base_offset"] + row["next_offset"]
        return ReadPosition(
            topic, partition, span.first, base, span.incarnation, topic_recreated=True
        )
    lost = max(0, span.first - row["next_offset"])
    return ReadPosition(
        topic,
        partition,
        row["next_offset"] + lost,
        row["base_offset"],
        span.incarnation,
        lost_records=lost,
    )


def _advance(
    connection: Connection,
    records: Sequence[Message],
    bases: Mapping[tuple[str, int], int],
    now: datetime,
) -> None:
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    for record in records:
        partition_key = record.topic, record.partition
        ends[partition_key] = ends.get(partition_key, (record.offset, 0))[0], record.offset + 1
    for (topic, partition), (first, end) in ends.items():
        same = offsets.c.base_offset == bases[topic, partition]
        forward = update(offsets).where(
            _where_partition(topic, partition), same, offsets.c.next_offset <= first
        )
        if not connection.execute(
            forward.values(next_offset=end, updated=to_timestamp(now))
        ).rowcount:
            raise Overtaken(
                f"another ingest process already read {topic}/{partition} past offset {first}"
            )


def _next_replay_offset(connection: Connection, topic: str, now: datetime) -> int:
    """The next offset in the topic's partition of replayed events."""
    is_replay = _where_partition(topic, REPLAYED)
    moved = (
        update(offsets)
        .where(is_replay)
        .values(next_offset=offsets.c.next_offset + 1, updated=to_timestamp(now))
    )
    if not connection.execute(moved).rowcount:
        row = {"topic": topic, "partition": REPLAYED, "base_offset": 0, "next_offset": 1}
        row |= {"incarnation": "", "updated": to_timestamp(now)}
        connection.execute(insert(offsets), row)
    return int(connection.scalar(select(offsets.c.next_offset).where(is_replay)) or 1) - 1


def _where_partition(topic: str, partition: int) -> Any:
    return and_(offsets.c.topic == topic, offsets.c.partition == partition)


def _dead_letter_headers(row: Mapping[Any, Any]) -> tuple[tuple[str, bytes], ...]:
    reason = ("tidemill-reason", row["reason"].encode())
    return (*headers_from_text(row["headers"]), reason)


def _is_data(error: BaseException) -> bool:
    """True where the values are to blame, not the connection, the disk or a lock."""
    if isinstance(error, StatementError) and error.orig is not None:
        return isinstance(error, DataError) or isinstance(
            error.orig, UnicodeError | OverflowError | ValueError | TypeError
        )
    return isinstance(error, UnicodeError)
