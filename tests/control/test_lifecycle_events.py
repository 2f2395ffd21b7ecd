"""Lifecycle events: one publisher, one connection, and no decision that waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.serving.places import make_release

from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.lifecycle_events import LifecyclePublisher, lifecycle_publisher
from tidemill.control.rollout_events import rollout_events
from tidemill.engine.rollout_state import RolloutState
from tidemill.errors import BrokerDown
from tidemill.events import LIFECYCLE_TOPIC, Event, LifecycleEvent, decode
from tidemill.ports import Bus, Message
from tidemill.records import RolloutUpdate

EVENT = LifecycleEvent(what="commit-applied", project="desk", name="main", facts={"commit": "abc"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Opened:
    """A memory bus that counts how often it was opened, and may be down."""

    def __init__(self) -> None:
        self.bus, self.times, self.down = MemoryBus(), 0, False

    def __call__(self) -> Bus:
        self.times += 1
        return self

    def publish(self, messages: Sequence[Message]) -> None:
        if self.down:
            raise BrokerDown("no Kafka broker answers at 127.0.0.1:1")
        self.bus.publish(messages)

    def __getattr__(self, name: str) -> object:
        return getattr(self.bus, name)

    @property
    def events(self) -> list[LifecycleEvent]:
        messages = self.bus.read({(LIFECYCLE_TOPIC, 0): 0}, limit=10, timeout=0.1)
        data = [decode(message.headers, message.value).data for message in messages]
        return [one for one in data if isinstance(one, LifecycleEvent)]


def test_every_event_goes_over_the_one_connection_that_the_first_opened() -> None:
    opened = Opened()
    publisher = LifecyclePublisher(opened)
    for _ in range(3):
        publisher.publish(EVENT, "/assets/desk")

    assert opened.times == 1
    assert opened.events == [EVENT] * 3


def test_a_process_has_one_publisher_for_its_brokers() -> None:
    assert lifecycle_publisher("127.0.0.1:1") is lifecycle_publisher("127.0.0.1:1")


def test_a_broker_that_is_down_costs_the_event_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened = Opened()
    publisher = LifecyclePublisher(opened)
    with caplog.at_level(logging.INFO):
        opened.down = True
        publisher.publish(EVENT, "/assets/desk")
        opened.down = False
        publisher.publish(EVENT, "/assets/desk")

    assert "'commit-applied' of desk/main is not on Kafka: no Kafka broker" in caplog.text
    assert opened.events == [EVENT]


def nobody(_event: Event) -> None:
    return


def test_a_rollouts_decision_names_its_project_and_release(tmp_path: Path) -> None:
    opened = Opened()
    release, folder = make_release(tmp_path)
    ledger = RolloutLedger(open_engine("sqlite://"))
    spec = {"name": "canary"}
    row = ledger.get(ledger.request("chat", release.digest, str(folder), spec))
    tell = rollout_events(LifecyclePublisher(opened), nobody)
    tell(row, RolloutUpdate("promote", "on to 10 %", percent=10.0))
    (event,) = opened.events

    assert event.what == "step-advanced"
    assert (event.project, event.name, event.digest) == (release.project, "canary", release.digest)
    facts = {name: event.facts[name] for name in ("service", "decision", "reason", "percent")}
    assert facts == {
        "service": "chat",
        "decision": "promote",
        "reason": "on to 10 %",
        "percent": 10.0,
    }


def test_what_a_rollout_waits_for_is_published_once_for_each_step(tmp_path: Path) -> None:
    opened = Opened()
    release, folder = make_release(tmp_path)
    ledger = RolloutLedger(open_engine("sqlite://"))
    row = ledger.get(ledger.request("chat", release.digest, str(folder), {"name": "canary"}))
    tell = rollout_events(LifecyclePublisher(opened), nobody)
    state = RolloutState.begin(release.digest, "sha256:b", NOW)
    for step in (0, 0, 1):
        for decision in ("ask", "hold"):
            change = RolloutUpdate(
                decision,
                "ada has to approve",
                rollout_state=replace(state, step=step),
                awaits_person=decision == "ask",
                is_stalled=decision == "hold",
            )
            tell(row, change)
    tell(row, RolloutUpdate("hold", "3 s of this step are left", rollout_state=state))

    kinds = [event.what for event in opened.events]
    assert kinds == ["decision-needed", "rollout-stalled"] * 2


def test_a_release_whose_folder_is_gone_costs_the_event_and_nothing_else(tmp_path: Path) -> None:
    opened = Opened()
    ledger = RolloutLedger(open_engine("sqlite://"))
    row = ledger.get(ledger.request("chat", "sha256:a", str(tmp_path / "gone"), {"name": "canary"}))
    rollout_events(LifecyclePublisher(opened), nobody)(row, RolloutUpdate("roll_back", "failed"))

    assert opened.times == 0
