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
from tidemill.adapters.ledger.offset_ranges import Frozen, is_within
from tidemill.adapters.ledger.withdrawals import count_withdrawn, withdrawn_digest
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
    reviewer: str | None
    verdict: str | None
    response_id: str
    release: str | None
    state: str
    """`joined`, `waiting`, `expired` or `withdrawn`."""
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
        that it was given for, an outcome also about the item of it that it names. Reviews are read
        whatever the kinds and however old. No subject has more rows than its share; the oldest
        stay. Nothing that was withdrawn is read.
        """
        frozen = self.frozen_offsets(contract.topic) if until is None else until
        votes = [
            feedback.c.kind.in_(list(kinds)),
            or_(feedback.c.kind == "correction", feedback.c.rating.is_not(None)),
        ]
        if since is not None:
            votes.append(feedback.c.time >= to_timestamp(since))
        conditions = [
            is_within(contract.topic, frozen),
            feedback.c.withdrawal.is_(None),
            or_(and_(*votes), feedback.c.kind == "review"),
            or_(inference.c.seq.is_not(None), feedback.c.question.is_not(None)),
        ]
        answered = feedback.c.inference == inference.c.seq
        query = select(feedback, *_ANSWER).outerjoin(inference, answered)
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
            feedback.c.withdrawal.is_(None),
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
        more = ("reviewer", "verdict", "response_id", "release", "state", "late", "withdrawal")
        columns = [feedback.c[name] for name in (*names, *more)]
        query = select(*columns).where(feedback.c.seq > after)
        if topic is not None:
            query = query.where(feedback.c.topic == topic)
        query = query.order_by(feedback.c.seq.desc()).limit(limit)
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [_recent(row) for row in reversed(rows)]

    def withdrawn_digest(self, topics: Sequence[str], frozen: Frozen) -> str:
        """A digest over what is withdrawn of topics below frozen offsets; empty without any."""
        return withdrawn_digest(self.engine, topics, frozen)

    def count_withdrawn(self, topics: Sequence[str]) -> int:
        """Rows of topics that are withdrawn now."""
        return count_withdrawn(self.engine, topics)

    def comments(
        self,
        topic: str,
        privacy: Privacy,
        inputs: Sequence[str],
        *,
        key: bytes | None = None,
        until: Frozen | None = None,
    ) -> tuple[UserComment, ...]:
        """The newest joined comments and corrections of a topic, oldest first, as far as the
        privacy rules of a dataset let a reflection model read them; `until` are frozen offsets."""
        from tidemill.adapters.ledger.feedback_comments import feedback_comments

        return feedback_comments(self.engine, topic, privacy, inputs, key=key, until=until)


def _partitions(connection: Connection, topic: str) -> list[int]:
    """The partitions of a topic that were ever read, that of replayed events included."""
    query = select(offsets.c.partition).where(offsets.c.topic == topic)
    return list(connection.scalars(query.order_by(offsets.c.partition)))


_SHADOWED = exists().where(inference.c.seq == feedback.c.inference, inference.c.arm == "shadow")
_ANSWER = [
    inference.c[name].label(f"of_{name}") for name in ("input", "output", "label", "conversation")
]


def _row(row: Mapping[Any, Any]) -> FeedbackRow:
    taken_up = row["kind"] == "outcome" and row["output"] is not None
    own = taken_up or row["kind"] in ("correction", "review")
    return {
        "input": json.loads(row["question"] or row["of_input"]),
        "output": _loads(row["output"]) if own else row["of_output"],
        "answer": row["of_output"],
        "label": None if own else row["of_label"],
        "kind": row["kind"],
        "value": row["value"],
        "rating": row["rating"],
        "comment": row["comment"],
        "subject": row["subject"],
        "conversation": row["of_conversation"],
        "consent": row["consent"],
        "time": from_timestamp(row["time"]),
        "reviewer": row["reviewer"],
        "verdict": row["verdict"],
        "response_id": row["response_id"] or None,
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
        "reviewer": row["reviewer"],
        "verdict": row["verdict"],
        "response_id": row["response_id"],
        "release": row["release"],
        "state": "withdrawn" if row["withdrawal"] else row["state"],
        "late": row["late"],
    }


def _limit_subjects(rows: list[FeedbackRow], share: float) -> list[FeedbackRow]:
    """The rows without those that exceed a subject's largest share; its oldest rows stay, and all
    reviews do."""
    counts = Counter(row["subject"] or "" for row in rows if row["kind"] != "review")
    limit, so_far, limited = max(1, int(rating_cap(counts.values(), share))), Counter[str](), []
    for row in rows:
        subject = row["subject"] or ""
        so_far[subject] += row["kind"] != "review"
        if row["kind"] == "review" or so_far[subject] <= limit:
            limited.append(row)
    return limited


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)
