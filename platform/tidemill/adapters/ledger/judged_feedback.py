"""Queries of what people said of a service's answers, with the answers, and of its traffic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import Engine, func, select

from tidemill.adapters.ledger.event_tables import feedback, from_timestamp, inference, to_timestamp

MAX_ROWS = 50_000
"""Most rows that are read: the newest."""
_SAID = ("event_id", "kind", "rating", "output", "verdict", "subject", "reviewer", "time")
_ANSWER = ("response_id", "input", "output", "label", "release", "subject", "time", "arm")


class JudgedFeedback(TypedDict):
    """Feedback with the answer that it is about."""

    event_id: str
    kind: str
    rating: float | None
    content: Any
    """Of a correction or a review: text, or a mapping by column; else None."""
    verdict: str
    person: str
    """The reviewer, or the subject; empty for somebody anonymous."""
    time: datetime
    response_id: str
    question: Any
    """The row that was asked, by column, or its text."""
    output: str
    label: str | None
    release: str
    subject: str
    """Who got the answer; empty for somebody anonymous."""
    answered_at: datetime
    arm: str


def judged_feedback(engine: Engine, topics: Sequence[str], since: datetime) -> list[JudgedFeedback]:
    """What counts of the feedback of topics on answers since a moment, the newest 50,000 of it,
    oldest first."""
    columns = [feedback.c[name].label(f"said_{name}") for name in _SAID]
    answer = [inference.c[name] for name in _ANSWER]
    newest = (
        select(*columns, *answer)
        .join(inference, feedback.c.inference == inference.c.seq)
        .where(
            feedback.c.topic.in_(topics),
            feedback.c.state == "joined",
            feedback.c.withdrawal.is_(None),
            inference.c.time >= to_timestamp(since),
            inference.c.error.is_(None),
        )
        .order_by(feedback.c.seq.desc())
        .limit(MAX_ROWS)
    )
    with engine.connect() as connection:
        rows = connection.execute(newest).mappings().all()
    return [_row(row) for row in reversed(rows)]


def uncounted_feedback(engine: Engine, topics: Sequence[str], since: datetime) -> dict[str, int]:
    """Feedback of topics since a moment that counts nowhere, by the reason."""
    stranger = feedback.c.state != "joined"
    query = select(stranger, func.count()).where(
        feedback.c.topic.in_(topics),
        feedback.c.time >= to_timestamp(since),
        stranger | feedback.c.withdrawal.is_not(None),
    )
    with engine.connect() as connection:
        counts = connection.execute(query.group_by(stranger)).all()
    names = {True: "about an answer that this service did not give", False: "withdrawn"}
    return {names[bool(is_stranger)]: count for is_stranger, count in counts}


def answered_people(engine: Engine, service: str, since: datetime, until: datetime) -> int:
    """How many people a service answered in [since, until), a shadow's copies left out; an
    anonymous answer counts as a person."""
    anonymous = func.count() - func.count(inference.c.subject)
    query = select(func.count(inference.c.subject.distinct()) + anonymous).where(
        inference.c.service == service,
        inference.c.time >= to_timestamp(since),
        inference.c.time < to_timestamp(until),
        inference.c.error.is_(None),
        inference.c.arm != "shadow",
    )
    with engine.connect() as connection:
        return int(connection.scalar(query) or 0)


def _row(row: Any) -> JudgedFeedback:
    return {
        "event_id": row["said_event_id"],
        "kind": row["said_kind"],
        "rating": row["said_rating"],
        "content": json.loads(row["said_output"]) if row["said_output"] else None,
        "verdict": row["said_verdict"] or "",
        "person": row["said_reviewer"] or row["said_subject"] or "",
        "time": from_timestamp(row["said_time"]),
        "response_id": row["response_id"],
        "question": json.loads(row["input"]),
        "output": row["output"],
        "label": row["label"],
        "release": row["release"],
        "subject": row["subject"] or "",
        "answered_at": from_timestamp(row["time"]),
        "arm": row["arm"],
    }
