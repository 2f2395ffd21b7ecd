"""A firing survives every crash between decision and finished run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.adapters.streams import MINUTE, NOW, TOPIC, answer, contract, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.trigger_evaluation import Reaction, react
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import UnknownName
from tidemill.events import INFERENCE_TOPIC
from tidemill.spec.trigger import Trigger


def trigger(**fields: Any) -> Trigger:
    given: dict[str, Any] = {
        "apiVersion": "tidemill/v1",
        "kind": "Trigger",
        "name": "retrain",
        "of": "chat-feedback",
        "when": {"any": [{"type": "new_rows", "at_least": 2}]},
        "run": ["release"],
        "cooldown": "10m",
    }
    return Trigger.model_validate({**given, **fields})


def look(ledger: Ledger, spec: Trigger, after: timedelta = timedelta()) -> Reaction:
    return react(ledger, "shop", spec, contract(), NOW + after)


def feed(ledger: Ledger, bus: MemoryBus, *numbers: int) -> None:
    take(ledger.events, bus, [*(answer(n) for n in numbers), *(thumb(n) for n in numbers)])


def test_a_firing_is_pending_with_its_frozen_offsets_until_a_run_starts(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    fired = look(ledger, trigger()).recorded
    assert fired
    pending = ledger.trigger_decisions.queued_decisions()
    ledger.trigger_decisions.mark_started(fired.key, "run-1", NOW)
    running = ledger.trigger_decisions.running_decisions()
    ledger.trigger_decisions.mark_finished(fired.key, NOW, ok=True)

    assert pending == [fired]
    assert fired.offsets == {f"{TOPIC}/0": 2, f"{INFERENCE_TOPIC}/0": 2}
    assert (fired.key, fired.assets) == ("shop/retrain/1", ("release",))
    assert [d.run_id for d in running] == ["run-1"]
    assert (
        ledger.trigger_decisions.queued_decisions()
        == ledger.trigger_decisions.running_decisions()
        == []
    )
    assert ledger.trigger_decisions.history("shop", "retrain")[0].state == "finished"


def test_feedback_that_a_firing_used_does_not_fire_again(ledger: Ledger) -> None:
    bus = MemoryBus()
    feed(ledger, bus, 1, 2)
    first = look(ledger, trigger()).recorded
    idle = look(ledger, trigger(), 11 * MINUTE)
    feed(ledger, bus, 3, 4)
    early = look(ledger, trigger(), 11 * MINUTE)
    assert first
    ledger.trigger_decisions.mark_finished(first.key, NOW, ok=True)
    again = look(ledger, trigger(), 12 * MINUTE)

    assert idle.decision.reason == "0 of 2 new rows"
    assert early.decision.blocked_by == "under-way"
    assert "its run of 2026-03-01 12:00 UTC is still under way" in early.decision.reason
    assert again.recorded
    assert again.recorded.key == "shop/retrain/2"


def test_the_newest_look_is_kept_to_explain_and_to_remember_since_when(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    patient = trigger(debounce={"quiet": "5m", "max_wait": "5m"})
    look(ledger, patient)
    noted = ledger.trigger_decisions.last_evaluation("shop", "retrain")
    fired = look(ledger, patient, 5 * MINUTE)

    assert noted
    assert noted.verdict.blocked_by == "debounce"
    assert noted.verdict.held_since == NOW
    assert noted.first_at == NOW
    assert fired.decision.fires


def test_a_person_is_asked_once_and_their_yes_makes_it_pending(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asking = trigger(approval={"by": ["ann"]})
    first, second = look(ledger, asking), look(ledger, asking, MINUTE)
    assert first.recorded
    asked = ledger.trigger_decisions.needing_approval()
    ledger.trigger_decisions.resolve_approval(
        first.recorded.key, "ann", NOW + 2 * MINUTE, approved=True
    )
    pending = ledger.trigger_decisions.queued_decisions()

    assert second.recorded is None
    assert [d.state for d in asked] == ["needs_approval"]
    assert [(d.answered_by, d.state, d.decided_at) for d in pending] == [
        ("ann", "queued", NOW + 2 * MINUTE)
    ]


def test_a_no_starts_nothing_and_its_feedback_is_not_asked_about_again(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asking = trigger(approval={})
    first = look(ledger, asking)
    assert first.recorded
    ledger.trigger_decisions.resolve_approval(first.recorded.key, "ann", NOW, approved=False)

    assert ledger.trigger_decisions.queued_decisions() == []
    assert look(ledger, asking, MINUTE).decision.blocked_by == "conditions"


def test_a_run_that_vanished_is_launched_again_with_the_same_offsets(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    fired = look(ledger, trigger()).recorded
    assert fired
    ledger.trigger_decisions.mark_started(fired.key, "run-1", NOW)
    ledger.trigger_decisions.requeue(fired.key, NOW)

    assert ledger.trigger_decisions.queued_decisions() == [fired]


def test_a_decision_that_is_not_there_is_named(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    look(ledger, trigger())

    with pytest.raises(UnknownName, match="did you mean 'shop/retrain/1'"):
        ledger.trigger_decisions.mark_started("shop/retrain/2", "run", NOW)


def test_a_drift_condition_reads_the_answers_it_needs(ledger: Ledger) -> None:
    bus = MemoryBus()
    old = [answer(n, label="return", at=NOW - timedelta(days=2)) for n in range(30)]
    new = [answer(n, label="gift_card") for n in range(30, 60)]
    take(ledger.events, bus, [*old, *new])
    drifting = trigger(when={"any": [{"type": "drift", "at_least": 25}]})

    assert look(ledger, drifting, MINUTE).decision.fires


def test_what_was_answered_once_cannot_be_answered_again(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asked = look(ledger, trigger(approval={})).recorded
    assert asked
    ledger.trigger_decisions.resolve_approval(asked.key, "ada", NOW, approved=False)
    ledger.trigger_decisions.resolve_approval(asked.key, "bob", NOW, approved=True)

    told = ledger.trigger_decisions.get(asked.key)
    assert (told.state, told.answered_by) == ("refused", "ada")


def test_a_firing_is_the_end_of_how_long_its_conditions_held(ledger: Ledger) -> None:
    held = TriggerVerdict(False, "a burst", "debounce", NOW)
    ledger.trigger_decisions.record_evaluation("shop", "retrain", held, NOW)
    ledger.trigger_decisions.record_evaluation(
        "shop", "retrain", TriggerVerdict(True, "fires", None, NOW), NOW
    )

    look = ledger.trigger_decisions.last_evaluation("shop", "retrain")
    assert look
    assert look.verdict.held_since is None
