"""What is asked at every tick costs the same after two thousand rollouts as after ten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from tests.adapters.streams import NOW, TOPIC, answer, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.decisions import trigger_decisions
from tidemill.adapters.ledger.rollouts import rollout_decisions, rollouts
from tidemill.adapters.ledger.syncs import syncs
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.engine.trigger import TriggerVerdict
from tidemill.records import RolloutUpdate

FEW, MANY = 10, 2000
FIRES = TriggerVerdict(True, "35 of 30 corrections")


def grown(path: Path, count: int) -> Ledger:
    """A ledger with that many rollouts, trigger decisions and commits behind it."""
    ledger = Ledger.open(f"sqlite:///{path}")
    with ledger.engine.begin() as connection:
        connection.execute(insert(rollouts), [rollout(n, count) for n in range(count)])
        connection.execute(insert(rollout_decisions), [step(n) for n in range(count)])
        connection.execute(insert(trigger_decisions), [decision(n) for n in range(count)])
        connection.execute(insert(syncs), [arrival(n) for n in range(count)])
    return ledger


def rollout(number: int, count: int) -> dict[str, Any]:
    at = NOW + timedelta(minutes=number)
    return {
        "service": "chat",
        "release": f"sha256:{number}",
        "release_folder": "folder",
        "spec": {},
        "state": "live" if number == count - 1 else "retired",
        "percent": 0.0,
        "reason": "",
        "awaits_person": 0,
        "requested_at": at,
        "finished_at": at,
    }


def step(number: int) -> dict[str, Any]:
    values = {"rollout": 1, "decision": "promote", "percent": 0.0, "reason": "", "numbers": {}}
    return {**values, "decided_at": NOW + timedelta(minutes=number), "repeats": 1}


def decision(number: int) -> dict[str, Any]:
    values = {"project": "shop", "trigger": "retrain", "state": "finished", "reason": ""}
    values |= {"run_id": "", "answered_by": "", "message": "", "key": f"shop/retrain/{number + 1}"}
    json = {"numbers": {}, "offsets": {f"{TOPIC}/0": 0}, "assets": []}
    return {**values, **json, "decided_at": NOW, "updated_at": NOW}


def arrival(number: int) -> dict[str, Any]:
    values = {"commit": f"{number:040x}", "branch": "main", "author": "", "subject": ""}
    values |= {"state": "applied", "refusal": "", "reason": "", "signer": "", "plan": []}
    return {**values, "arrived_at": NOW, "updated_at": NOW}


@contextmanager
def work(ledger: Ledger) -> Iterator[list[int]]:
    """Counts what SQLite's machine does while the block runs, in hundreds of instructions."""
    counts = [0]

    def tick() -> int:
        counts[0] += 1
        return 0

    def watch(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.set_progress_handler(tick, 100)

    event.listen(ledger.engine, "checkout", watch)
    yield counts
    event.remove(ledger.engine, "checkout", watch)


def controller_tick(ledger: Ledger) -> None:
    """What `RolloutController.tick` asks of the ledger for one service."""
    store = ledger.rollouts
    for service in store.services():
        store.in_progress(service)
        store.live_rollout(service)
        store.live_release(service)
        store.retired_rollouts(service, 5)
        store.newest(service)


def decide_rollout(ledger: Ledger) -> None:
    ledger.rollouts.record_decision(1, RolloutUpdate("hold", "it waits"), NOW)


def sensor_tick(ledger: Ledger) -> None:
    """What the trigger sensors ask of the ledger for one trigger."""
    store = ledger.trigger_decisions
    store.queued_decisions()
    store.running_decisions()
    store.needing_approval()
    store.history("shop", "retrain", limit=5)
    store.record_evaluation("shop", "retrain", FIRES, NOW)
    store.last_evaluation("shop", "retrain")


def fire(ledger: Ledger) -> None:
    assert ledger.trigger_decisions.add("shop", "retrain", FIRES, {}, ("rows",), NOW)


def sync_tick(ledger: Ledger) -> None:
    """What Git sync asks of the ledger at every poll."""
    ledger.syncs.newest()
    ledger.syncs.applied_commits()
    ledger.syncs.last_poll()
    ledger.trigger_decisions.sync_requests("@git/17/")
    ledger.trigger_decisions.withdraw_requests("@git/17/", "a newer commit came", NOW)


@pytest.mark.parametrize("tick", [controller_tick, decide_rollout, sensor_tick, fire, sync_tick])
def test_a_tick_costs_the_same_whatever_came_before(tmp_path: Path, tick: Any) -> None:
    spent = []
    for count in (FEW, MANY):
        ledger = grown(tmp_path / f"{count}.db", count)
        with work(ledger) as counts:
            tick(ledger)
        spent.append(counts[0])
        ledger.engine.dispose()

    assert spent[1] <= 2 * spent[0] + 5, f"{spent[0]} → {spent[1]} hundred instructions"


def test_feedback_that_was_used_is_not_read_again(tmp_path: Path) -> None:
    spent = []
    for count in (FEW, 50 * FEW):
        ledger = Ledger.open(f"sqlite:///{tmp_path / f'{count}.db'}")
        bus = MemoryBus()
        numbers = range(count)
        take(ledger.events, bus, [*map(answer, numbers), *map(thumb, numbers)])
        frozen = ledger.feedback.frozen_offsets(TOPIC)
        take(ledger.events, bus, [answer(count), thumb(count)])
        with work(ledger) as counts:
            fresh = ledger.feedback.signals(TOPIC, frozen)
            ledger.feedback.frozen_offsets(TOPIC)
        spent.append(counts[0])
        ledger.engine.dispose()

        assert [signal.subject for signal in fresh] == [f"u{count}"]

    assert spent[1] <= 2 * spent[0] + 5, f"{spent[0]} → {spent[1]} hundred instructions"
