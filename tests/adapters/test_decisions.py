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
    return react(ledger.events, ledger.decisions, "shop", spec, contract(), NOW + after)


def feed(ledger: Ledger, bus: MemoryBus, *numbers: int) -> None:
    take(ledger.events, bus, [*(answer(n) for n in numbers), *(thumb(n) for n in numbers)])


def test_a_firing_is_pending_with_its_frozen_offsets_until_a_run_starts(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    fired = look(ledger, trigger()).kept
    assert fired
    pending = ledger.decisions.pending()
    ledger.decisions.started(fired.key, "run-1", NOW)
    running = ledger.decisions.running()
    ledger.decisions.finished(fired.key, NOW, ok=True)

    assert pending == [fired]
    assert fired.offsets == {f"{TOPIC}/0": 2, f"{INFERENCE_TOPIC}/0": 2}
    assert (fired.key, fired.targets) == ("shop/retrain/1", ("release",))
    assert [d.run for d in running] == ["run-1"]
    assert ledger.decisions.pending() == ledger.decisions.running() == []
    assert ledger.decisions.history("shop", "retrain")[0].state == "finished"


def test_feedback_that_a_firing_used_does_not_fire_again(ledger: Ledger) -> None:
    bus = MemoryBus()
    feed(ledger, bus, 1, 2)
    look(ledger, trigger())
    idle = look(ledger, trigger(), 11 * MINUTE)
    feed(ledger, bus, 3, 4)
    again = look(ledger, trigger(), 12 * MINUTE)

    assert idle.decision.reason == "0 of 2 new rows"
    assert again.kept
    assert again.kept.key == "shop/retrain/2"


def test_the_newest_look_is_kept_to_explain_and_to_remember_since_when(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    patient = trigger(debounce={"quiet": "5m", "max_wait": "5m"})
    look(ledger, patient)
    noted = ledger.decisions.look("shop", "retrain")
    fired = look(ledger, patient, 5 * MINUTE)

    assert noted
    assert noted.decision.blocked_by == "debounce"
    assert noted.decision.held_since == NOW
    assert noted.start == NOW
    assert fired.decision.fires


def test_a_person_is_asked_once_and_their_yes_makes_it_pending(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asking = trigger(approval={"by": ["ann"]})
    first, second = look(ledger, asking), look(ledger, asking, MINUTE)
    assert first.kept
    asked = ledger.decisions.asked()
    ledger.decisions.answer(first.kept.key, "ann", NOW + 2 * MINUTE, yes=True)
    pending = ledger.decisions.pending()

    assert second.kept is None
    assert [d.state for d in asked] == ["asked"]
    assert [(d.by, d.state, d.at) for d in pending] == [("ann", "decided", NOW + 2 * MINUTE)]


def test_a_no_starts_nothing_and_its_feedback_is_not_asked_about_again(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asking = trigger(approval={})
    first = look(ledger, asking)
    assert first.kept
    ledger.decisions.answer(first.kept.key, "ann", NOW, yes=False)

    assert ledger.decisions.pending() == []
    assert look(ledger, asking, MINUTE).decision.blocked_by == "conditions"


def test_a_run_that_vanished_is_launched_again_with_the_same_offsets(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    fired = look(ledger, trigger()).kept
    assert fired
    ledger.decisions.started(fired.key, "run-1", NOW)
    ledger.decisions.relaunch(fired.key, NOW)

    assert ledger.decisions.pending() == [fired]


def test_a_decision_that_is_not_there_is_named(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    look(ledger, trigger())

    with pytest.raises(UnknownName, match="did you mean 'shop/retrain/1'"):
        ledger.decisions.started("shop/retrain/2", "run", NOW)


def test_a_drift_condition_reads_the_answers_it_needs(ledger: Ledger) -> None:
    bus = MemoryBus()
    old = [answer(n, label="return", at=NOW - timedelta(days=2)) for n in range(30)]
    new = [answer(n, label="gift_card") for n in range(30, 60)]
    take(ledger.events, bus, [*old, *new])
    drifting = trigger(when={"any": [{"type": "drift", "at_least": 25}]})

    assert look(ledger, drifting, MINUTE).decision.fires


def test_what_was_answered_once_cannot_be_answered_again(ledger: Ledger) -> None:
    feed(ledger, MemoryBus(), 1, 2)
    asked = look(ledger, trigger(approval={})).kept
    assert asked
    ledger.decisions.answer(asked.key, "ada", NOW, yes=False)
    ledger.decisions.answer(asked.key, "bob", NOW, yes=True)

    told = ledger.decisions.get(asked.key)
    assert (told.state, told.by) == ("refused", "ada")


def test_a_firing_is_the_end_of_how_long_its_conditions_held(ledger: Ledger) -> None:
    held = TriggerVerdict(False, "a burst", "debounce", NOW)
    ledger.decisions.note("shop", "retrain", held, NOW)
    ledger.decisions.note("shop", "retrain", TriggerVerdict(True, "fires", None, NOW), NOW)

    look = ledger.decisions.look("shop", "retrain")
    assert look
    assert look.decision.held_since is None
