"""What was said of a service's answers is read with them; what counts nowhere is counted."""

from __future__ import annotations

from datetime import timedelta

from tests.adapters.streams import NOW, TOPIC, answer, correct, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.judged_feedback import (
    answered_people,
    judged_feedback,
    uncounted_feedback,
)
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.records import FeedbackSelection

WEEK = timedelta(days=7)
SINCE = NOW - WEEK


def test_feedback_comes_with_the_answer_that_it_is_about(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1, label="card", subject="ann"), correct(1), thumb(1)])

    rows = judged_feedback(ledger.engine, [TOPIC], SINCE)

    assert {(row["kind"], row["rating"], row["content"]) for row in rows} == {
        ("correction", None, "right 1"), ("thumbs", 0.0, None),
    }  # fmt: skip
    assert {row["label"] for row in rows} == {"card"}
    assert rows[0]["question"] == {"request": "question 1"}
    assert (rows[0]["subject"], rows[0]["person"], rows[0]["answered_at"]) == ("ann", "u1", NOW)


def test_strangers_and_what_is_withdrawn_are_counted_and_not_read(ledger: Ledger) -> None:
    given = [answer(1), answer(2, service="desk"), answer(4)]
    take(ledger.events, MemoryBus(), [*given, thumb(1), thumb(2), thumb(3), thumb(4)])
    ledger.withdrawals.withdraw(FeedbackSelection(subjects=("u4",)), "spam", "ada", NOW)

    rows = judged_feedback(ledger.engine, [TOPIC], SINCE)

    assert [row["response_id"] for row in rows] == ["r1"]
    assert uncounted_feedback(ledger.engine, [TOPIC], SINCE) == {
        "about an answer that this service did not give": 1,
        "withdrawn": 1,
    }


def test_older_answers_and_other_topics_are_not_read(ledger: Ledger) -> None:
    old = answer(1, at=NOW - 2 * WEEK)
    take(ledger.events, MemoryBus(), [old, answer(2), thumb(1), thumb(2)])

    assert [r["response_id"] for r in judged_feedback(ledger.engine, [TOPIC], SINCE)] == ["r2"]
    assert judged_feedback(ledger.engine, ["other"], SINCE) == []
    assert uncounted_feedback(ledger.engine, [TOPIC], SINCE) == {}


def test_a_person_is_counted_once_a_week_and_a_shadow_never(ledger: Ledger) -> None:
    given = [
        answer(1, subject="ann"),
        answer(2, subject="ann"),
        answer(3, subject="bob"),
        answer(4),
        answer(5),
        answer(6, subject="eve", arm="shadow"),
        answer(7, subject="eve", error="no model"),
        answer(8, subject="eve", service="desk"),
    ]
    take(ledger.events, MemoryBus(), given)

    assert answered_people(ledger.engine, "chat", SINCE, NOW + timedelta(seconds=1)) == 4
    assert answered_people(ledger.engine, "chat", SINCE, NOW) == 0
