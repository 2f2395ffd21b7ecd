"""A review session: each verdict is sent when it is made, and every key does what the help says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import pytest
from tests.adapters.streams import TOPIC, contract

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.cli._review_session import ReviewSession
from tidemill.control.reviews import ReviewDesk
from tidemill.data.votes import RecordedVote, SettledQuestion
from tidemill.events import FeedbackEvent, decode
from tidemill.planning.review_items import ReviewItem, review_items

LABELS = ["card", "refund", "transfer"]


def question(number: int, **more: Any) -> SettledQuestion:
    fields: dict[str, Any] = {
        "question": {"text": f"question {number}"},
        "state": "contested",
        "label": "card",
        "confidence": 0.5 + number / 100,
        "votes": [
            RecordedVote("label", "card", "0123456789ab", accuracy=0.8),
            RecordedVote("label", "refund", ""),
        ],
        "answers": {"card": {"label": "card"}, "refund": {"label": "refund"}},
        "opinion": {"transfer": 0.7, "card": 0.3},
        "outputs": ["label"],
        "response_id": f"r{number}",
        "source": "feedback:chat-feedback",
    }
    return SettledQuestion(id=f"id{number}", **{**fields, **more})


class Keyboard:
    """A session that gets these lines, and what came of it."""

    def __init__(self, lines: Sequence[str], items: Sequence[ReviewItem]) -> None:
        self.lines = list(lines)
        self.bus = MemoryBus()
        self.screen: list[str] = []
        stream = contract(kinds=("review",))
        desk = ReviewDesk(self.bus, "ada@x.org", {"chat-feedback": stream})
        self.session = ReviewSession(items, LABELS, desk, self.read, self.screen.append)

    def read(self, prompt: str) -> str:
        self.screen.append(prompt)
        if not self.lines:
            raise click.Abort
        return self.lines.pop(0)

    @property
    def events(self) -> list[tuple[str | None, str | None, Any]]:
        records = self.bus.read({(TOPIC, 0): 0}, limit=100, timeout=0.1)
        data = [decode(record.headers, record.value).data for record in records]
        reviews = [one for one in data if isinstance(one, FeedbackEvent)]
        return [(one.response_id, one.verdict, one.output) for one in reviews]


def played(*lines: str, items: Sequence[SettledQuestion] | None = None) -> Keyboard:
    keyboard = Keyboard(lines, review_items(items or [question(n) for n in range(3)]))
    keyboard.session.run()
    return keyboard


def test_numbers_labels_and_letters_settle_skip_and_reject() -> None:
    keyboard = played("2", "s", "x")

    assert keyboard.events == [
        ("r0", "answer", {"label": "refund"}),
        ("r2", "reject", None),
    ]
    assert keyboard.session.summary() == "2 verdicts sent"


def test_a_label_can_be_typed_in_any_case_and_one_that_is_no_choice_too() -> None:
    assert [output for *_, output in played(" Transfer ", "=card", "q").events] == [
        {"label": "transfer"},
        {"label": "card"},
    ]


def test_a_new_label_is_made_only_when_the_person_says_so() -> None:
    keyboard = played("refnd", "n", "crypto", "y", "q")

    assert [output for *_, output in keyboard.events] == [{"label": "crypto"}]
    assert any("did you mean 'refund'?" in line for line in keyboard.screen)


def test_undo_takes_the_last_verdict_back_and_shows_its_row_again() -> None:
    keyboard = played("u", "1", "u", "2", "q")

    assert keyboard.events == [
        ("r0", "answer", {"label": "card"}),
        ("r0", "reopen", None),
        ("r0", "answer", {"label": "refund"}),
    ]
    assert sum("row id0" in line for line in keyboard.screen) == 3
    assert "there is no verdict to undo" in keyboard.screen


def test_what_was_decided_before_an_interruption_is_sent() -> None:
    keyboard = Keyboard(["1"], review_items([question(n) for n in range(3)]))
    with pytest.raises(click.Abort):
        keyboard.session.run()

    assert keyboard.events == [("r0", "answer", {"label": "card"})]


def test_a_question_of_a_file_is_sent_with_its_columns() -> None:
    keyboard = Keyboard(["x"], review_items([question(1, response_id=None)]))
    keyboard.session.run()
    (record,) = keyboard.bus.read({(TOPIC, 0): 0}, limit=9, timeout=0.1)
    data = decode(record.headers, record.value).data

    assert isinstance(data, FeedbackEvent)
    assert (data.response_id, data.question) == (None, {"text": "question 1"})


def test_a_label_without_an_answer_asks_for_the_words() -> None:
    both = {"outputs": ["label", "reply"], "answers": {"card": {"label": "card", "reply": "Yes."}}}
    keyboard = played("card", "refund", "", "refund", "On its way.", items=[
        question(0, **both), question(1, **both)
    ])  # fmt: skip

    assert [output for *_, output in keyboard.events] == [
        {"label": "card", "reply": "Yes."},
        {"label": "refund", "reply": "On its way."},
    ]


def test_a_row_is_shown_with_votes_opinion_and_choices() -> None:
    screen = "\n".join(played("q").screen)

    assert "1 of 3 · contested · row id0" in screen
    assert "user 01234567 chose 'card' (right in about 80%)" in screen
    assert "somebody chose 'refund'" in screen
    assert "the model: 'transfer' 70%, 'card' 30%" in screen
    assert "[1] card  [2] refund  [3] transfer" in screen
