"""What the ledger knows of feedback: rows of datasets, signals of triggers, counts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select

from tidemill.adapters.ledger.event_tables import (
    feedback,
    inference,
    lifecycle,
    moment,
    offsets,
    quarantine,
    stamp,
)
from tidemill.adapters.ledger.service_metrics import ServiceQueries
from tidemill.ports import INFERENCE_TOPIC
from tidemill.triggers import FeedbackSignal
from tidemill.triggers.subject_weight import rating_cap

if TYPE_CHECKING:
    from tidemill.spec.feedback import Feedback as Contract

SIGNALS = 50_000
"""Most signals a condition gets to see; with at most `PER_SUBJECT` of each subject."""
PER_SUBJECT = 500
Row = dict[str, Any]
Frozen = Mapping[str, int]
"""`topic/partition` → the first of the ledger's offsets that does not belong."""


class FeedbackQueries(ServiceQueries):
    """Reading of feedback; nothing here writes."""

    def freeze(self, topic: str) -> dict[str, int]:
        """The offsets that hold all feedback joined so far, the inference topic's included.

        They move only when feedback is joined, and what lies below them never changes: feedback
        that joins later needs an answer that lies beyond them.
        """
        here, there = feedback.c.partition, feedback.c.inference_partition
        joined = and_(feedback.c.topic == topic, feedback.c.state == "joined")
        mine = select(here, func.max(feedback.c.offset)).where(joined).group_by(here)
        theirs = select(there, func.max(feedback.c.inference_offset)).where(joined).group_by(there)
        with self.engine.connect() as connection:
            frozen = {f"{topic}/{p}": last + 1 for p, last in connection.execute(mine)}
            for partition, last in connection.execute(theirs):
                frozen[f"{INFERENCE_TOPIC}/{partition}"] = last + 1
        return frozen

    def rows(
        self,
        contract: Contract,
        kinds: Sequence[str],
        since: datetime | None,
        until: Frozen | None = None,
    ) -> tuple[list[Row], dict[str, tuple[int, int]]]:
        """Rows for a dataset, and the frozen offset ranges [from, to) they come from.

        A correction's output is the corrected one; a good score, thumb or outcome confirms the
        output it was given for. No subject has more rows than its share; the oldest stay.
        """
        frozen = self.freeze(contract.topic) if until is None else until
        wanted = [
            feedback.c.kind.in_(list(kinds)),
            _within(contract.topic, frozen),
            or_(feedback.c.kind == "correction", feedback.c.rating > 0.5),
        ]
        if since is not None:
            wanted.append(feedback.c.time >= stamp(since))
        given = select(feedback, *_ANSWER).join(inference, feedback.c.inference == inference.c.seq)
        # Not by seq: a replay or an answer that came late must not reorder what was frozen before.
        order = (feedback.c.partition, feedback.c.offset)
        with self.engine.connect() as connection:
            found = connection.execute(given.where(*wanted).order_by(*order)).mappings().all()
        rows = _share_out([_row(row) for row in found], contract.max_weight_per_subject)
        mine = (f"{contract.topic}/", f"{INFERENCE_TOPIC}/")
        return rows, {k: (0, v) for k, v in sorted(frozen.items()) if k.startswith(mine)}

    def signals(self, topic: str, beyond: Frozen | None = None) -> list[FeedbackSignal]:
        """Joined feedback beyond the frozen offsets, oldest first; late feedback is left out."""
        columns = [feedback.c[n] for n in ("kind", "arrived", "time", "subject", "rating", "seq")]
        nth = func.row_number().over(partition_by=feedback.c.subject, order_by=feedback.c.arrived)
        fresh = and_(
            feedback.c.topic == topic,
            feedback.c.state == "joined",
            not_(feedback.c.late),
            not_(_within(topic, beyond or {})),
        )
        ranked = select(*columns, nth.label("nth")).where(fresh).subquery()
        newest = select(ranked).where(ranked.c.nth <= PER_SUBJECT)
        newest = newest.order_by(ranked.c.arrived.desc(), ranked.c.seq.desc()).limit(SIGNALS)
        with self.engine.connect() as connection:
            rows = connection.execute(newest).all()
        return [
            FeedbackSignal(row.kind, moment(row.arrived), moment(row.time), row.subject, row.rating)
            for row in reversed(rows)
        ]

    def newest(self, topic: str | None = None, *, after: int = 0, limit: int = 20) -> list[Row]:
        """The newest feedback beyond a sequence number, oldest first."""
        names = ("seq", "time", "topic", "kind", "value", "comment", "output", "subject")
        columns = [feedback.c[n] for n in (*names, "response_id", "release", "state", "late")]
        query = select(*columns).where(feedback.c.seq > after)
        if topic is not None:
            query = query.where(feedback.c.topic == topic)
        query = query.order_by(feedback.c.seq.desc()).limit(limit)
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            {**row, "time": moment(row["time"]), "output": _loads(row["output"])}
            for row in reversed(rows)
        ]

    def summary(self) -> dict[str, Any]:
        """Counts of everything, and how far each partition was read."""
        states = select(feedback.c.state, func.count()).group_by(feedback.c.state)
        with self.engine.connect() as connection:
            by_state: dict[str, int] = dict(connection.execute(states).all())
            counts = {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (inference, lifecycle, quarantine)
            }
            read = {
                f"{row.topic}/{row.partition}": row.base + row.next
                for row in connection.execute(select(offsets).order_by(offsets.c.topic))
            }
        feedback_counts = {state: by_state.get(state, 0) for state in ("joined", "waiting")}
        return {
            **counts,
            "feedback": sum(feedback_counts.values()),
            **feedback_counts,
            "read": read,
        }


_ANSWER = [
    inference.c[name].label(f"of_{name}") for name in ("input", "output", "label", "conversation")
]


def _row(row: Mapping[Any, Any]) -> Row:
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
        "time": moment(row["time"]),
        "response_id": row["response_id"],
        "event_id": row["event_id"],
        "place": f"{row['topic']}/{row['partition']}/{row['offset']}",
    }


def _share_out(rows: list[Row], share: float) -> list[Row]:
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["subject"] or ""] += 1
    most, seen, kept = (
        max(1, int(rating_cap(counts.values(), share))),
        defaultdict[str, int](int),
        [],
    )
    for row in rows:
        subject = row["subject"] or ""
        seen[subject] += 1
        if seen[subject] <= most:
            kept.append(row)
    return kept


def _within(topic: str, frozen: Frozen) -> ColumnElement[bool]:
    """Feedback whose own offset and whose answer's offset both lie below the frozen ones."""
    ours, answers = (
        _below(frozen, topic, feedback.c.partition, feedback.c.offset),
        _below(
            frozen, INFERENCE_TOPIC, feedback.c.inference_partition, feedback.c.inference_offset
        ),
    )
    return and_(feedback.c.topic == topic, feedback.c.state == "joined", ours, answers)


def _below(
    frozen: Frozen, topic: str, partition: ColumnElement[Any], offset: ColumnElement[Any]
) -> ColumnElement[bool]:
    ends = {k.rpartition("/")[2]: end for k, end in frozen.items() if k.rpartition("/")[0] == topic}
    return or_(false(), *(and_(partition == int(p), offset < end) for p, end in ends.items()))


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)
