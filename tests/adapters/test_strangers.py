"""Triggers look at what users said of answers that they got: no shadows, no strangers."""

from __future__ import annotations

from datetime import timedelta

from tests.adapters.streams import NOW, TOPIC, answer, correct, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus


def subjects(ledger: Ledger) -> list[str | None]:
    return [signal.subject for signal in ledger.feedback.signals(TOPIC)]


def test_feedback_on_a_shadows_answer_is_no_signal(ledger: Ledger) -> None:
    given = [answer(1, arm="live"), answer(2, arm="shadow"), answer(3, arm="candidate")]

    take(ledger.events, MemoryBus(), [*given, thumb(1), thumb(2), correct(2), thumb(3)])

    assert subjects(ledger) == ["u1", "u3"]


def test_feedback_on_answers_of_another_service_and_on_none_is_no_signal(ledger: Ledger) -> None:
    given = [answer(1), answer(2, service="desk")]

    take(ledger.events, MemoryBus(), [*given, thumb(1), thumb(2), thumb(3), correct(3)])

    assert subjects(ledger) == ["u1"]


def test_drift_looks_at_answers_that_users_got(ledger: Ledger) -> None:
    given = [
        answer(1, label="card"),
        answer(2, label="loan", arm="shadow"),
        answer(3, label="loan", service="desk"),
    ]

    take(ledger.events, MemoryBus(), given)

    answers = ledger.service_metrics.answers("chat", NOW - timedelta(hours=1))
    assert [found.label for found in answers] == ["card"]
