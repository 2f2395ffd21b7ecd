"""Queries of feedback: rows for datasets, signals for triggers, the newest for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
)

from tidemill.adapters.ledger.event_tables import (
    feedback,
    from_timestamp,
    inference,
    offsets,
    to_timestamp,
)
from tidemill.ports import INFERENCE_TOPIC
from tidemill.triggers import FeedbackSignal
from tidemill.triggers.subject_weight import rating_cap

if TYPE_CHECKING:
    from tidemill.data.feedback import FeedbackRow
    from tidemill.search import UserComment
    from tidemill.spec.dataset import Privacy
    from tidemill.spec.feedback import Feedback as Contract

MAX_SIGNALS = 50_000
"""Most signals a condition gets to see; with at most `PER_SUBJECT` of each subject."""
MAX_PER_SUBJECT = 500
_SIGNAL = ("kind", "arrived", "time", "subject", "rating", "release", "consent", "seq")
Frozen = Mapping[str, int]
"""`topic/partition` → the first of the ledger's offsets that does not belong."""


class RecentFeedback(TypedDict):
    """Feedback as the ledger took it in, with or without the answer it is about."""

    seq: int
    """Its place in the order in which the ledger took feedback in."""
    time: datetime
    topic: str
    kind: str
    value: float | None
    comment: str | None
    output: Any
    """The corrected answer: text, or a mapping by column."""
    subject: str | None
    response_id: str
    release: str | None
    state: str
    """`joined`, `waiting` or `expired`."""
    late: bool


class FeedbackLedger:
    """The `FeedbackReader` in SQL; nothing here writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def frozen_offsets(self, topic: str) -> dict[str, int]:
        """The offsets that hold all feedback joined so far, the inference topic's included.

        They move only when feedback is joined, and what lies below them never changes: feedback
        that joins later needs an answer that lies beyond them.
        """
        own = (feedback.c.partition, feedback.c.offset)
        answers = (feedback.c.inference_partition, feedback.c.inference_offset)
        frozen = {}
        with self.engine.connect() as connection:
            for name, (partition, offset) in ((topic, own), (INFERENCE_TOPIC, answers)):
                for number in _partitions(connection, name):
                    joined = (feedback.c.topic == topic, feedback.c.state == "joined")
                    last = select(func.max(offset)).where(*joined, partition == number)
                    if (end := connection.scalar(last)) is not None:
                        frozen[f"{name}/{number}"] = end + 1
        return frozen

    def rows(
        self,
        contract: Contract,
        kinds: Sequence[str],
        since: datetime | None,
        until: Frozen | None = None,
    ) -> tuple[list[FeedbackRow], dict[str, tuple[int, int]]]:
        """Rows for a dataset, and the frozen offset ranges [from, to) they come from.

        A correction's output is the corrected one; a score, thumb or outcome is about the output
        that it was given for. No subject has more rows than its share; the oldest stay.
        """
        frozen = self.frozen_offsets(contract.topic) if until is None else until
        conditions = [
            feedback.c.kind.in_(list(kinds)),
            _within(contract.topic, frozen),
            or_(feedback.c.kind == "correction", feedback.c.rating.is_not(None)),
        ]
        if since is not None:
            conditions.append(feedback.c.time >= to_timestamp(since))
        query = select(feedback, *_ANSWER).join(inference, feedback.c.inference == inference.c.seq)
        # Not by seq: a replay or an answer that came late must not reorder what was frozen before.
        order = (feedback.c.partition, feedback.c.offset)
        with self.engine.connect() as connection:
            joined = connection.execute(query.where(*conditions).order_by(*order)).mappings().all()
        rows = _limit_subjects([_row(row) for row in joined], contract.max_weight_per_subject)
        topics = (f"{contract.topic}/", f"{INFERENCE_TOPIC}/")
        return rows, {k: (0, v) for k, v in sorted(frozen.items()) if k.startswith(topics)}

    def signals(self, topic: str, beyond: Frozen | None = None) -> list[FeedbackSignal]:
        """Joined feedback beyond the frozen offsets, oldest first; late feedback is left out, and
        what is said of a shadow's answers, which no user got."""
        columns = [feedback.c[n] for n in _SIGNAL]
        nth = func.row_number().over(partition_by=feedback.c.subject, order_by=feedback.c.arrived)
        fresh = and_(
            feedback.c.topic == topic,
            feedback.c.state == "joined",
            not_(feedback.c.late),
            not_(_SHADOWED),
            self._is_beyond(topic, beyond or {}),
        )
        ranked = select(*columns, nth.label("nth")).where(fresh).subquery()
        newest = select(ranked).where(ranked.c.nth <= MAX_PER_SUBJECT)
        newest = newest.order_by(ranked.c.arrived.desc(), ranked.c.seq.desc()).limit(MAX_SIGNALS)
        with self.engine.connect() as connection:
            rows = connection.execute(newest).all()
        return [
            FeedbackSignal(
                row.kind,
                from_timestamp(row.arrived),
                from_timestamp(row.time),
                row.subject,
                row.rating,
                row.release,
                bool(row.consent),
            )
            for row in reversed(rows)
        ]

    def _is_beyond(self, topic: str, frozen: Frozen) -> ColumnElement[bool]:
        """Feedback whose own offset or whose answer's offset is not below the frozen ones.

        One range of an index for each partition: what was frozen before is not read again.
        """
        own = (feedback.c.partition, feedback.c.offset)
        answers = (feedback.c.inference_partition, feedback.c.inference_offset)
        with self.engine.connect() as connection:
            ranges = [
                and_(partition == number, offset >= frozen.get(f"{name}/{number}", 0))
                for name, (partition, offset) in ((topic, own), (INFERENCE_TOPIC, answers))
                for number in _partitions(connection, name)
            ]
        return or_(false(), *ranges)

    def newest_feedback(
        self, topic: str | None = None, *, after: int = 0, limit: int = 20
    ) -> list[RecentFeedback]:
        """The newest feedback beyond a sequence number, oldest first."""
        names = ("seq", "time", "topic", "kind", "value", "comment", "output", "subject")
        columns = [feedback.c[n] for n in (*names, "response_id", "release", "state", "late")]
        query = select(*columns).where(feedback.c.seq > after)
        if topic is not None:
            query = query.where(feedback.c.topic == topic)
        query = query.order_by(feedback.c.seq.desc()).limit(limit)
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [_recent(row) for row in reversed(rows)]

    def comments(
        self, topic: str, privacy: Privacy, inputs: Sequence[str], *, key: bytes | None = None
    ) -> tuple[UserComment, ...]:
        """The newest joined comments and corrections of a topic, oldest first, as far as the
        privacy rules of a dataset let a reflection model read them."""
        from tidemill.adapters.ledger.feedback_comments import feedback_comments

        return feedback_comments(self.engine, topic, privacy, inputs, key=key)


def _partitions(connection: Connection, topic: str) -> list[int]:
    """The partitions of a topic that were ever read, that of replayed events included."""
    query = select(offsets.c.partition).where(offsets.c.topic == topic)
    return list(connection.scalars(query.order_by(offsets.c.partition)))


_SHADOWED = exists().where(inference.c.seq == feedback.c.inference, inference.c.arm == "shadow")
_ANSWER = [
    inference.c[name].label(f"of_{name}") for name in ("input", "output", "label", "conversation")
]


def _row(row: Mapping[Any, Any]) -> FeedbackRow:
    corrected = row["kind"] == "correction"
    return {
        "input": json.loads(row["of_input"]),
        "output": _loads(row["output"]) if corrected else row["of_output"],
        "answer": row["of_output"],
        "label": None if corrected else row["of_label"],
        "kind": row["kind"],
        "value": row["value"],
        "rating": row["rating"],
        "comment": row["comment"],
        "subject": row["subject"],
        "conversation": row["of_conversation"],
        "consent": row["consent"],
        "time": from_timestamp(row["time"]),
        "response_id": row["response_id"],
        "event_id": row["event_id"],
        "place": f"{row['topic']}/{row['partition']}/{row['offset']}",
    }


def _recent(row: Mapping[Any, Any]) -> RecentFeedback:
    return {
        "seq": row["seq"],
        "time": from_timestamp(row["time"]),
        "topic": row["topic"],
        "kind": row["kind"],
        "value": row["value"],
        "comment": row["comment"],
        "output": _loads(row["output"]),
        "subject": row["subject"],
        "response_id": row["response_id"],
        "release": row["release"],
        "state": row["state"],
        "late": row["late"],
    }


def _limit_subjects(rows: list[FeedbackRow], share: float) -> list[FeedbackRow]:
    """The rows without those that exceed a subject's largest share; its oldest rows stay."""
    counts = Counter(row["subject"] or "" for row in rows)
    limit, so_far, limited = max(1, int(rating_cap(counts.values(), share))), Counter[str](), []
    for row in rows:
        subject = row["subject"] or ""
        so_far[subject] += 1
        if so_far[subject] <= limit:
            limited.append(row)
    return limited


def _within(topic: str, frozen: Frozen) -> ColumnElement[bool]:
    """Feedback whose own offset and whose answer's offset both lie below the frozen ones."""
    partition, offset = feedback.c.inference_partition, feedback.c.inference_offset
    return and_(
        feedback.c.topic == topic,
        feedback.c.state == "joined",
        _is_below(frozen, topic, feedback.c.partition, feedback.c.offset),
        _is_below(frozen, INFERENCE_TOPIC, partition, offset),
    )


def _is_below(
    frozen: Frozen, topic: str, partition: ColumnElement[Any], offset: ColumnElement[Any]
) -> ColumnElement[bool]:
    ends = {k.rpartition("/")[2]: end for k, end in frozen.items() if k.rpartition("/")[0] == topic}
    return or_(false(), *(and_(partition == int(p), offset < end) for p, end in ends.items()))


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)
