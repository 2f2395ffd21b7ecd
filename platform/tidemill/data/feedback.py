"""Rows made from what users said: the question they asked, with the answer they wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from tidemill.data.rows import (
    ANSWER,
    CONSENT,
    EVENT,
    FEEDBACK,
    ORIGIN,
    PLACE,
    SOURCE,
    SPLIT,
    Dropped,
)
from tidemill.rows import DatasetRow, MutableRow

Fill = Callable[[Any, str | None], DatasetRow | None]
"""From an answer (text, or a mapping by column) and its label, where that is known apart, to the
columns it fills; None where it has not the wanted form."""


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
    response_id: str
    event_id: str
    place: str
    """The event's `topic/partition/offset`."""


def feedback_rows(
    given: Sequence[FeedbackRow],
    *,
    stream: str,
    weight: float,
    fill: Fill,
    require_consent: bool,
) -> tuple[list[MutableRow], Dropped]:
    """Dataset rows of feedback rows; what cannot become one comes back with its reason.

    Of several corrections of one answer the last one counts; but where consent is required, one
    without it never takes the place of another user's that has it.
    """
    rows: dict[str, MutableRow] = {}
    dropped: Dropped = []
    for signal in sorted(given, key=lambda row: (str(row.get("time")), str(row.get("event_id")))):
        about = _about(signal, stream, weight)
        question, filled = _question(signal.get("input")), _fill_columns(signal, fill)
        if question is None:
            dropped.append((about, "no inference event: the question is unknown"))
        elif filled is None:
            correction = {**about, "output": signal.get("output")}
            dropped.append(
                (correction, f"unusable {signal.get('kind')}: not in the form the prompt asks for")
            )
        else:
            answered = str(signal.get("response_id") or signal.get("event_id"))
            if require_consent and _keeps(rows.get(answered), about):
                dropped.append(
                    (about, "no consent; another user's correction with consent is used instead")
                )
                continue
            rows.pop(answered, None)
            rows[answered] = {**question, **filled, **about}
    return list(rows.values()), dropped


def _keeps(former: MutableRow | None, later: MutableRow) -> bool:
    """True where a consented correction stays although another user made a later one."""
    if former is None or former["subject"] == later["subject"]:
        return False
    return bool(former[CONSENT]) and not later[CONSENT]


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
    }
    return about | ({"region": one["region"]} if one.get("region") else {})
