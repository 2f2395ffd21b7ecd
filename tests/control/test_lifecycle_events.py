"""Lifecycle events: one publisher, one connection, and no decision that waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from tests.serving.places import make_release

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.lifecycle_events import (
    PATIENCE,
    LifecyclePublisher,
    lifecycle_publisher,
    notification_outbox,
)
from tidemill.control.rollout_events import rollout_events
from tidemill.engine.rollout_state import RolloutState
from tidemill.errors import BrokerDown
from tidemill.events import LIFECYCLE_TOPIC, Event, LifecycleEvent, decode
from tidemill.ports import Bus, Message
from tidemill.records import RolloutStatus, RolloutUpdate
from tidemill.settings import NotifySettings

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


def test_where_nothing_listens_an_event_costs_no_time(caplog: pytest.LogCaptureFixture) -> None:
    started = monotonic()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            lifecycle_publisher("127.0.0.1:1,127.0.0.1:2").publish(EVENT, "/assets/desk")

    assert monotonic() - started < PATIENCE
    assert caplog.text.count("no Kafka broker answers at 127.0.0.1:1,127.0.0.1:2") == 3


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


@pytest.mark.parametrize(
    ("state", "change", "topic"),
    [
        ("running", RolloutUpdate("roll_back", "0.5 > 0.05", state="rolled_back"), "rolled-back"),
        ("requested", RolloutUpdate("roll_back", "no start", state="failed"), "candidate-stopped"),
        ("live", RolloutUpdate("roll_back", "0.5 > 0.05"), "rolled-back"),
        ("running", RolloutUpdate("done", "every step went well", state="live"), "promoted"),
        ("live", RolloutUpdate("done", "the watch is over"), None),
        ("running", RolloutUpdate("done", "overtaken", state="superseded"), None),
        ("running", RolloutUpdate("promote", "on to 50 %", state="running"), None),
        ("running", RolloutUpdate("ask", "ada approves", awaits_person=True), "person-needed"),
        ("running", RolloutUpdate("hold", "no data", is_stalled=True), "stalled"),
        ("running", RolloutUpdate("hold", "3 s are left"), None),
    ],
)
def test_a_decision_of_a_rollout_is_told_once_even_where_the_controller_is_restarted(
    tmp_path: Path, state: RolloutStatus, change: RolloutUpdate, topic: str | None
) -> None:
    release, folder = make_release(tmp_path)
    ledger = Ledger.open("sqlite://")
    key = ledger.rollouts.request("chat", release.digest, str(folder), {"name": "canary"})
    row = replace(ledger.rollouts.get(key), state=state)
    step = -1 if state == "requested" else 0
    begun = replace(RolloutState.begin(release.digest, "sha256:b", NOW), step=step)
    settings = NotifySettings.read({"TIDEMILL_NOTIFY_URLS": "json://127.0.0.1:1"})
    for _ in range(2):
        outbox = notification_outbox(ledger.notifications, settings)
        rollout_events(LifecyclePublisher(Opened()), outbox)(
            row, replace(change, rollout_state=begun)
        )
    queued = ledger.notifications.next_queued()
    ledger.engine.dispose()

    assert [record.notification.topic for record in queued] == ([topic] if topic else [])
    assert all(record.notification.body == change.reason for record in queued)


def test_a_release_whose_folder_is_gone_costs_the_event_and_nothing_else(tmp_path: Path) -> None:
    opened = Opened()
    ledger = RolloutLedger(open_engine("sqlite://"))
    row = ledger.get(ledger.request("chat", "sha256:a", str(tmp_path / "gone"), {"name": "canary"}))
    rollout_events(LifecyclePublisher(opened), nobody)(row, RolloutUpdate("roll_back", "failed"))

    assert opened.times == 0
