"""A withdrawal takes out exactly the rows it names, once, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.adapters.streams import MINUTE, NOW, TOPIC, answer, contract, correct, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.errors import AmbiguousName, TidemillError
from tidemill.records import FeedbackSelection
from tidemill.spec.dataset import Privacy

KINDS = ("correction", "thumbs")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.open("sqlite://")
    yield ledger
    ledger.engine.dispose()


def stream() -> Any:
    return contract(kinds=("thumbs", "correction", "comment", "review"))


def said(ledger: Ledger) -> list[str | None]:
    return [row["subject"] for row in ledger.feedback.rows(stream(), KINDS, None)[0]]


def taken_out(ledger: Ledger, **chosen: Any) -> int:
    done = ledger.withdrawals.withdraw(FeedbackSelection(**chosen), "spam", "ada@x.org", NOW)
    return done.rows if done else 0


def test_a_withdrawn_subject_counts_nowhere(ledger: Ledger) -> None:
    wrong = [
        correct(1, subject="troll", comment="the answer is nonsense"),
        thumb(2, subject="troll", value=0.0),
    ]
    take(ledger.events, MemoryBus(), [*(answer(n) for n in range(4)), *wrong, correct(3)])

    assert taken_out(ledger, subjects=("troll",)) == 2

    assert said(ledger) == ["u3"]
    assert [signal.subject for signal in ledger.feedback.signals(TOPIC)] == ["u3"]
    assert ledger.service_metrics.ratings("chat", "thumbs", NOW) == []
    comments = ledger.feedback.comments(TOPIC, Privacy(), ["request"])
    assert [comment.correction for comment in comments] == ["right 3"]
    states = [row["state"] for row in ledger.feedback.newest_feedback(TOPIC)]
    assert states == ["withdrawn", "withdrawn", "joined"]
    assert ledger.feedback.count_withdrawn([TOPIC]) == 2


def test_a_second_withdrawal_finds_nothing_left(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1), correct(1)])
    chosen = FeedbackSelection(subjects=("u1",))
    taken_out(ledger, subjects=("u1",))

    again = ledger.withdrawals.select(chosen)

    assert taken_out(ledger, subjects=("u1",)) == 0
    assert (again.rows, again.withdrawn_before) == (0, 1)
    assert len(ledger.withdrawals.newest()) == 1


def test_what_the_same_person_says_later_counts_again(ledger: Ledger) -> None:
    bus = MemoryBus()
    take(ledger.events, bus, [answer(1), answer(2), correct(1, subject="ann")])
    taken_out(ledger, subjects=("ann",))
    take(ledger.events, bus, [correct(2, subject="ann")])

    assert said(ledger) == ["ann"]


def test_a_burst_is_the_feedback_between_two_moments(ledger: Ledger) -> None:
    messages = [correct(n, at=NOW + n * MINUTE) for n in range(5)]
    later = NOW + timedelta(hours=1)
    take(ledger.events, MemoryBus(), [*(answer(n) for n in range(5)), *messages], now=later)
    burst = {"since": NOW + MINUTE, "until": NOW + 3 * MINUTE}

    assert ledger.withdrawals.select(FeedbackSelection(**burst)).rows == 2
    assert taken_out(ledger, **burst) == 2
    assert said(ledger) == ["u0", "u3", "u4"]
    assert ledger.withdrawals.newest()[0].selection == FeedbackSelection(**burst)


def test_undo_puts_exactly_these_rows_back(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1), answer(2), correct(1), correct(2)])
    taken_out(ledger, response_id="r1")
    taken_out(ledger, subjects=("u2",))
    ledger.withdrawals.undo(1, NOW)
    again = ledger.withdrawals.undo(1, NOW + MINUTE)

    assert said(ledger) == ["u1"]
    assert again.undone_at == NOW
    with pytest.raises(TidemillError, match="there is no withdrawal 7"):
        ledger.withdrawals.undo(7, NOW)


def test_the_digest_tells_what_a_dataset_would_lack(ledger: Ledger) -> None:
    bus, digest = MemoryBus(), ledger.feedback.withdrawn_digest
    take(ledger.events, bus, [answer(1), correct(1)])
    frozen = ledger.feedback.frozen_offsets(TOPIC)
    take(ledger.events, bus, [answer(2), correct(2)])

    assert taken_out(ledger, subjects=("u2",)) == 1
    assert digest([TOPIC], frozen) == ""  # beyond what the dataset reads
    assert taken_out(ledger, subjects=("u1",)) == 1
    assert digest([TOPIC], frozen) != ""
    ledger.withdrawals.undo(2, NOW)
    assert digest([TOPIC], frozen) == ""


def test_reviews_stay_unless_their_reviewer_is_named(ledger: Ledger) -> None:
    review = {"kind": "review", "reviewer": "ada@x.org", "verdict": "reject", "subject": None}
    take(
        ledger.events,
        MemoryBus(),
        [answer(1, subject="ann"), correct(1, subject="ann"), thumb(1, event_id="v", **review)],
        stream=stream(),
    )

    assert taken_out(ledger, subjects=("ann",)) == 1
    assert taken_out(ledger, response_id="r1") == 0
    assert taken_out(ledger, subjects=("ada@x.org",)) == 1


def test_the_beginning_of_a_pseudonym_is_enough_where_it_is_one_persons(ledger: Ledger) -> None:
    people = ["3f2a91bc-one", "3f2a91bc-two", "77aa00bb-three"]
    corrections = [correct(n, subject=subject) for n, subject in enumerate(people)]
    take(ledger.events, MemoryBus(), [*(answer(n) for n in range(3)), *corrections])

    find = ledger.withdrawals.find_subject
    assert find(["77aa00bb"]) == ("77aa00bb-three",)
    assert find(["77aa"]) == ("77aa",)
    assert find(["3f2a91bc-one"]) == ("3f2a91bc-one",)
    with pytest.raises(AmbiguousName):
        find(["3f2a91bc"])
