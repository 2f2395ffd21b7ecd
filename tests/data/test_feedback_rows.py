"""Feedback becomes rows, each with what kind of vote it is; what cannot says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.data.feedback import FeedbackRow, feedback_rows
from tidemill.data.rows import VOTE


def signal(number: int = 1, **fields: Any) -> FeedbackRow:
    return {  # type: ignore[return-value]
        "event_id": f"e{number}",
        "time": datetime(2026, 1, 1, second=number, tzinfo=UTC),
        "kind": "correction",
        "response_id": "r1",
        "input": {"request": "where is it"},
        "output": "shipping",
        "subject": "ann",
        "consent": True,
        **fields,
    }


def taken(*given: FeedbackRow) -> tuple[list[Any], list[str]]:
    rows, dropped = feedback_rows(
        given, stream="s", weight=1.0, fill=lambda said, _: {"reply": said} if said else None
    )
    return rows, [reason for _, reason in dropped]


def test_every_signal_becomes_a_row_of_its_own_oldest_first() -> None:
    rows, dropped = taken(signal(2, output="returns"), signal(1))

    assert [row["reply"] for row in rows] == ["shipping", "returns"]
    assert dropped == []


@pytest.mark.parametrize(
    ("fields", "vote"),
    [
        ({}, "label"),
        ({"kind": "review"}, "review"),
        ({"kind": "thumbs", "rating": 1.0}, "up"),
        ({"kind": "thumbs", "rating": 0.0}, "down"),
        ({"kind": "score", "rating": 0.5}, "down"),
    ],
)
def test_a_signal_says_a_label_or_is_a_thumb_about_one(fields: dict[str, Any], vote: str) -> None:
    rows, _ = taken(signal(**fields))

    assert [row[VOTE] for row in rows] == [vote]


def test_what_cannot_become_a_row_says_why() -> None:
    rows, dropped = taken(signal(1, input=None), signal(2, output=""))

    assert rows == []
    assert dropped == [
        "no inference event: the question is unknown",
        "unusable correction: not in the form the prompt asks for",
    ]
