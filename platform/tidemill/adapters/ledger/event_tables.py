"""The tables of events: inference, feedback, lifecycle, and quarantine for the unusable ones.

Times are seconds since 1970 in UTC. Offsets are the ledger's own: `base_offset` + Kafka's
offset, where `base_offset` counts the records of earlier incarnations of the topic (an in-memory
broker loses its topics when it restarts). So they only ever grow, and a range of them always means
the same events. Partition -1 of a topic contains the events that were replayed from quarantine.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from tidemill.adapters.ledger.base import metadata

REPLAYED = -1
_ID = BigInteger().with_variant(Integer, "sqlite")


def _event_columns() -> list[Column[Any]]:
    return [
        Column("seq", _ID, primary_key=True, autoincrement=True),
        Column("event_id", String(200), nullable=False),
        Column("source", String(200), nullable=False),
        Column("topic", String(249), nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("time", Double, nullable=False),
        Column("arrived", Double, nullable=False),
    ]


inference = Table(
    "inference",
    metadata,
    *_event_columns(),
    Column("response_id", String(200), nullable=False),
    Column("service", String(200), nullable=False),
    Column("release", String(200), nullable=False),
    Column("commit", String(200), nullable=False),
    Column("prompt", String(200), nullable=False),
    Column("subject", String(200)),
    Column("conversation", String(200)),
    Column("input", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("label", String(200)),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("latency", Double, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("arm", String(200), nullable=False),
    Column("error", Text),
    Index("inference_once", "event_id", "source", unique=True),
    Index("inference_by_response", "response_id"),
    Index("inference_by_service", "service", "time"),
    Index("inference_by_release", "release", "time"),
)
_has_subject = inference.c.subject.is_not(None)
Index(
    "inference_by_subject",
    inference.c.subject,
    sqlite_where=_has_subject,
    postgresql_where=_has_subject,
)

feedback = Table(
    "feedback",
    metadata,
    *_event_columns(),
    Column("response_id", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("value", Double),
    Column("rating", Double),
    Column("comment", Text),
    Column("output", Text),
    Column("over", String(200)),
    Column("subject", String(200)),
    Column("consent", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, joined, expired
    Column("deadline", Double, nullable=False),
    Column("raw", LargeBinary),  # only while it waits
    Column("headers", Text),  # likewise
    Column("dead_letter", String(249)),
    Column("service", String(200)),
    Column("release", String(200)),
    Column("inference", BigInteger),
    Column("inference_partition", Integer),
    Column("inference_offset", BigInteger),
    Column("reviewer", String(200)),
    Column("verdict", String(8)),
    Column("question", Text),  # of a review that is about no answer
    Column("withdrawal", Integer),  # the one that took it out
    Index("feedback_once", "event_id", "source", unique=True),
    Index("feedback_by_kind", "topic", "kind", "seq"),
    Index("feedback_by_service", "service", "arrived"),
    Index("feedback_by_offset", "topic", "state", "partition", "offset"),
    Index("feedback_by_answer_offset", "topic", "state", "inference_partition", "inference_offset"),
)
Index(
    "feedback_waiting",
    feedback.c.response_id,
    sqlite_where=feedback.c.state == "waiting",
    postgresql_where=feedback.c.state == "waiting",
)

_is_withdrawn = feedback.c.withdrawal.is_not(None)
Index(
    "feedback_withdrawn",
    feedback.c.topic,
    sqlite_where=_is_withdrawn,
    postgresql_where=_is_withdrawn,
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("selection", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("principal", String(200), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("withdrawn_at", Double, nullable=False),
    Column("undone_at", Double),
)

lifecycle = Table(
    "lifecycle",
    metadata,
    *_event_columns(),
    Column("what", String(32), nullable=False),
    Column("project", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("digest", String(200), nullable=False),
    Column("run", String(200), nullable=False),
    Column("facts", Text, nullable=False),
    Index("lifecycle_once", "event_id", "source", unique=True),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("topic", String(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("headers", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("dead_letter", String(249)),  # a topic that still has to get a copy
    Index("quarantine_once", "topic", "partition", "offset", unique=True),
    Index("quarantine_to_copy", "dead_letter"),
)

offsets = Table(
    "offsets",
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("base_offset", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("incarnation", String(64), nullable=False),
    Column("updated", Double, nullable=False),
)


def to_timestamp(moment: datetime) -> float:
    """Seconds since 1970 in UTC, as the tables store times."""
    return moment.timestamp()


def from_timestamp(stamped: float) -> datetime:
    """The time of a stored timestamp, in UTC."""
    return datetime.fromtimestamp(stamped, UTC)
