"""A review comes in like all feedback, about an answer or about a question of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from tests.adapters.streams import NOW, TOPIC, answer, contract, correct, take

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.events import Event, FeedbackEvent, encode
from tidemill.ports import Message

ABOUT: dict[str, Any] = {"kind": "review", "reviewer": "ada@x.org"}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.open("sqlite://")
    yield ledger
    ledger.engine.dispose()


def review(number: int, **data: Any) -> Message:
    event = Event(FeedbackEvent(**{**ABOUT, **data}), "/review", f"v{number}", NOW)
    return Message(TOPIC, **encode(event))


def rows(ledger: Ledger, **changes: Any) -> list[Any]:
    stream = contract(kinds=("correction", "review"), **changes)
    return list(ledger.feedback.rows(stream, ("correction",), None)[0])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"response_id": "r1", "output": "x"}, "review needs `reviewer` and `verdict`"),
        ({"verdict": "reject"}, "review needs `response_id` or `question`, one of the two"),
        (
            {"verdict": "reject", "response_id": "r1", "question": {"text": "a"}},
            "review needs `response_id` or `question`, one of the two",
        ),
        (
            {"verdict": "answer", "response_id": "r1"},
            "review needs `output` with the verdict 'answer', and with no other",
        ),
        (
            {"verdict": "reject", "response_id": "r1", "output": "x"},
            "review needs `output` with the verdict 'answer', and with no other",
        ),
        ({"kind": "comment", "comment": "x"}, "comment needs `response_id`"),
        (
            {"kind": "comment", "comment": "x", "response_id": "r1"},
            "comment has no `reviewer`, `verdict` or `question`",
        ),
    ],
)
def test_a_review_that_says_too_little_or_too_much_is_refused(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        FeedbackEvent(**{**ABOUT, **fields})

    assert caught.value.errors()[0]["msg"] == f"Value error, {reason}"


def test_a_review_of_an_answer_has_its_question_and_waits_for_it(ledger: Ledger) -> None:
    bus = MemoryBus()
    stream = contract(kinds=("correction", "review"))
    verdict = review(1, response_id="r1", verdict="answer", output={"label": "card"})
    take(ledger.events, bus, [verdict], stream=stream)
    before = rows(ledger)
    take(ledger.events, bus, [answer(1, subject="ann")], stream=stream)
    (row,) = rows(ledger)

    assert before == []
    assert row["input"] == {"request": "question 1"}
    assert (row["kind"], row["verdict"], row["reviewer"]) == ("review", "answer", "ada@x.org")
    assert (row["output"], row["subject"]) == ({"label": "card"}, "ann")


def test_a_review_of_a_question_needs_no_answer_and_keeps_its_offset(ledger: Ledger) -> None:
    bus = MemoryBus()
    stream = contract(kinds=("correction", "review"))
    asked = {"request": "from a file"}
    take(ledger.events, bus, [review(1, question=asked, verdict="reject")], stream=stream)
    frozen = ledger.feedback.frozen_offsets(TOPIC)
    take(ledger.events, bus, [review(2, question=asked, verdict="reopen")], stream=stream)
    upto = ledger.feedback.rows(stream, ("correction",), None, frozen)[0]

    assert [row["verdict"] for row in upto] == ["reject"]
    assert [row["input"] for row in rows(ledger)] == [asked, asked]
    assert frozen == {f"{TOPIC}/0": 1}


def test_a_stream_that_takes_no_review_quarantines_it(ledger: Ledger) -> None:
    verdict = review(1, response_id="r1", verdict="reject")
    take(ledger.events, MemoryBus(), [verdict], stream=contract(kinds=("correction",)))

    assert rows(ledger) == []
    (event,) = ledger.events.quarantined_events()
    assert event["reason"] == "'chat-feedback' does not accept review; it accepts correction"


def test_no_share_limits_the_reviews(ledger: Ledger) -> None:
    stream = contract(kinds=("correction", "review"))
    verdicts = [review(n, response_id=f"r{n}", verdict="reject") for n in range(50)]
    answers = [answer(n, subject="ann" if n < 50 else None) for n in range(90)]
    loud = [correct(n, subject="ann") for n in range(50)]
    quiet = [correct(n) for n in range(50, 90)]
    take(ledger.events, MemoryBus(), [*answers, *loud, *quiet, *verdicts], stream=stream)

    found = rows(ledger, max_weight_per_subject=0.05)

    assert sum(row["kind"] == "review" for row in found) == 50
    assert sum(row["kind"] == "correction" for row in found) == 42


def test_feedback_on_an_answer_that_was_erased_is_no_row(ledger: Ledger) -> None:
    verdict = review(1, response_id="r1", verdict="reject", subject="ada")
    stream = contract(kinds=("correction", "review"))
    answers = [answer(1, subject="ann"), answer(2, subject="bob")]
    corrections = [correct(1, subject="cem"), correct(2, subject="bob")]
    take(ledger.events, MemoryBus(), [*answers, *corrections, verdict], stream=stream)
    ledger.events.erase_subject("ann")

    assert [row["subject"] for row in rows(ledger)] == ["bob"]
