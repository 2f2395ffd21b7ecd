"""Which of several corrections of one answer becomes a row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidemill.data.feedback import FeedbackRow, feedback_rows


def correction(number: int, subject: str, output: str, *, consent: bool) -> FeedbackRow:
    return {
        "event_id": f"e{number}",
        "time": datetime(2026, 1, 1, second=number, tzinfo=UTC),
        "kind": "correction",
        "response_id": "r1",
        "input": {"request": "where is it"},
        "output": output,
        "subject": subject,
        "consent": consent,
    }


def taken(*given: FeedbackRow, required: bool = True) -> tuple[list[str], list[str]]:
    rows, dropped = feedback_rows(
        given,
        stream="s",
        weight=1.0,
        fill=lambda said, _: {"reply": said},
        require_consent=required,
    )
    return [row["reply"] for row in rows], [reason for _, reason in dropped]


@pytest.mark.parametrize("consent", [True, False])
def test_a_users_last_correction_counts_whatever_was_said_before(consent: bool) -> None:
    first = correction(1, "ann", "shipping", consent=True)
    last = correction(2, "ann", "returns", consent=consent)

    assert taken(last, first) == (["returns"], [])


def test_a_later_correction_without_consent_does_not_displace_another_users() -> None:
    first = correction(1, "ann", "shipping", consent=True)
    last = correction(2, "bob", "returns", consent=False)

    assert taken(first, last) == (
        ["shipping"],
        ["no consent; another user's correction with consent is used instead"],
    )
    assert taken(first, last, required=False) == (["returns"], [])


def test_of_two_users_who_agreed_the_later_one_counts() -> None:
    first = correction(1, "ann", "shipping", consent=True)
    last = correction(2, "bob", "returns", consent=True)

    assert taken(first, last) == (["returns"], [])
