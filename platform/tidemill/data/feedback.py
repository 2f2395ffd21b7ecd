"""Rows made from what users said: the question they asked, with the answer they wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from tidemill.data.rows import (
    ANSWER,
    CONSENT,
    EVENT,
    FEEDBACK,
    ORIGIN,
    PLACE,
    REVIEWER,
    SOURCE,
    SPLIT,
    VERDICT,
    VOTE,
    Dropped,
)
from tidemill.rows import DatasetRow, MutableRow

Fill = Callable[[Any, str | None], DatasetRow | None]
"""From an answer (text, or a mapping by column) and its label, where that is known apart, to the
columns it fills; None where it has not the wanted form."""


Ballot = Literal["label", "up", "down", "review"]
"""A chosen label, a thumb about the one that was answered, or the verdict of a reviewer."""


class FeedbackRow(TypedDict, total=False):
    """Feedback of a user, joined with the answer that it is about."""

    input: Any
    """What was asked: the input row, or its text."""
    output: Any
    """The corrected answer, or the one that the user confirmed: text, or a mapping by column."""
    answer: str
    """The text that the service answered."""
    label: str | None
    """The label of a confirmed answer, where it has one."""
    kind: str
    value: float | None
    rating: float | None
    comment: str | None
    subject: str | None
    conversation: str | None
    region: str | None
    consent: bool
    time: datetime
    response_id: str | None
    reviewer: str | None
    verdict: str | None
    """Of a review: `answer`, `reject` or `reopen`."""
    event_id: str
    place: str
    """The event's `topic/partition/offset`."""


def feedback_rows(
    given: Sequence[FeedbackRow], *, stream: str, weight: float, fill: Fill
) -> tuple[list[MutableRow], Dropped]:
    """A dataset row for each feedback row, oldest first; what cannot become one comes back with
    its reason. Which of several rows of one question stays is decided in `data.votes`."""
    rows: list[MutableRow] = []
    dropped: Dropped = []
    for signal in sorted(given, key=lambda row: (str(row.get("time")), str(row.get("event_id")))):
        about = _about(signal, stream, weight)
        question, filled = _question(signal.get("input")), _fill_columns(signal, fill)
        if question is not None and signal.get("verdict") in ("reject", "reopen"):
            rows.append({**question, **about})
        elif question is None:
            dropped.append((about, "no inference event: the question is unknown"))
        elif filled is None:
            correction = {**about, "output": signal.get("output")}
            dropped.append(
                (correction, f"unusable {signal.get('kind')}: not in the form the prompt asks for")
            )
        else:
            rows.append({**question, **filled, **about})
    return rows, dropped


def _vote(signal: FeedbackRow) -> Ballot:
    if signal.get("kind") in ("correction", "review"):
        return "review" if signal["kind"] == "review" else "label"
    rating = signal.get("rating")
    return "down" if rating is not None and rating <= 0.5 else "up"


def _question(given: Any) -> MutableRow | None:
    if isinstance(given, Mapping) and given:
        return dict(given)
    if isinstance(given, str) and given.strip():
        return {"text": given}
    return None


def _fill_columns(one: FeedbackRow, fill: Fill) -> DatasetRow | None:
    return fill(one["output"], one.get("label")) if one.get("output") else None


def _about(one: FeedbackRow, stream: str, weight: float) -> MutableRow:
    about: MutableRow = {
        "subject": one.get("subject"),
        "group": one.get("conversation") or one.get("subject"),
        "time": None if one.get("time") is None else str(one["time"]),
        "weight": weight,
        FEEDBACK: True,
        CONSENT: one.get("consent"),
        SPLIT: None,
        SOURCE: f"feedback:{stream}",
        ORIGIN: f"feedback:{stream}/{one.get('event_id')}",
        EVENT: one.get("event_id"),
        PLACE: one.get("place"),
        ANSWER: one.get("response_id"),
        VOTE: _vote(one),
    }
    region = {"region": one["region"]} if one.get("region") else {}
    return about | region | (_review_of(one) if about[VOTE] == "review" else {})


def _review_of(one: FeedbackRow) -> MutableRow:
    reviewer = one.get("reviewer") or one.get("subject")
    return {VERDICT: one.get("verdict") or "answer", REVIEWER: reviewer}
