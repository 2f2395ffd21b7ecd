"""A message is queued beside a decision, sent once, retried a few times, and then shown as lost."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Stop
from time import monotonic, sleep

import pytest
from sqlalchemy import text
from tenacity import wait_none
from tests.adapters.webhook import TOKEN, Webhook, webhook

from tidemill import entry_points
from tidemill.adapters.apprise_destination import open_destinations
from tidemill.adapters.clock import SetClock, SystemClock
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.adapters.memory.destination import MemoryDestination
from tidemill.control.lifecycle_events import LifecyclePublisher, notification_outbox
from tidemill.control.notification_delivery import SenderThread
from tidemill.control.notification_sender import ATTEMPTS, EXPIRY, NotificationSender
from tidemill.engine.notification import Notification
from tidemill.events import LifecycleEvent
from tidemill.ports import Destination
from tidemill.settings import NotifySettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE = Notification("promoted", "chat: release a is live", "every step went well", "tidemill x")
FAILED = LifecycleEvent(what="run-failed", project="desk", name="tune", facts={"reason": "full"})


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    opened = Ledger.open("sqlite://")
    yield opened
    opened.engine.dispose()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


def settings_of(url: str, on: str = "") -> NotifySettings:
    return NotifySettings.read({"TIDEMILL_NOTIFY_URLS": url, "TIDEMILL_NOTIFY_ON": on})


def sender(
    ledger: Ledger, *destinations: Destination, stop: Stop | None = None
) -> NotificationSender:
    """One that does not wait between two attempts."""
    clock = SetClock(NOW)
    return NotificationSender(ledger.notifications, destinations, clock, stop, wait_none())


class Counting(MemoryDestination):
    """Counts attempts, and may stop the sender at the first."""

    attempts: int = 0
    stop: Stop | None = None

    def send(self, notification: Notification) -> None:
        self.attempts += 1
        if self.stop:
            self.stop.set()
        super().send(notification)


def publish(ledger: Ledger, settings: NotifySettings, key: str = "run/7/failed") -> None:
    outbox = notification_outbox(ledger.notifications, settings)
    LifecyclePublisher(MemoryBus).publish(FAILED, "/assets/desk", key, outbox)


def test_an_event_reaches_a_webhook_once_however_often_it_is_published(
    ledger: Ledger, hook: Webhook
) -> None:
    settings = settings_of(hook.url)
    for _ in range(2):  # the second is a restart: other objects on the same ledger
        publish(ledger, settings)
        destinations = open_destinations(settings)
        clock = SystemClock()
        NotificationSender(
            ledger.notifications, destinations, clock, None, wait_none()
        ).send_queued()
    publish(ledger, settings, key="run/8/failed")
    (queued,) = ledger.notifications.next_queued()

    (message,) = hook.messages
    assert message["title"] == "desk: a run failed at 'tune'"
    assert message["message"].startswith("full\nWhat is live stays.")
    assert queued.key == "run/8/failed"


def test_only_what_somebody_wants_to_hear_is_queued(ledger: Ledger) -> None:
    publish(ledger, NotifySettings())
    publish(ledger, settings_of("json://127.0.0.1:1", on="promoted"))
    assert ledger.notifications.next_queued() == []

    publish(ledger, settings_of("json://127.0.0.1:1", on="run-failed"))
    assert len(ledger.notifications.next_queued()) == 1


def test_a_ledger_that_refuses_costs_the_message_and_nothing_else(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("DROP TABLE notifications"))
    publish(ledger, settings_of("json://127.0.0.1:1"))

    assert "'desk: a run failed at 'tune'' is not told to anybody: no such table" in caplog.text


def test_a_server_that_fails_is_asked_a_few_times_and_the_loss_is_kept_without_its_secret(
    ledger: Ledger, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.status = 500
    ledger.notifications.add("one", MESSAGE, NOW)
    sender(ledger, *open_destinations(settings_of(hook.url))).send_queued()
    (lost,) = ledger.notifications.undelivered(NOW)

    assert len(hook.paths) == ATTEMPTS
    assert ledger.notifications.next_queued() == []
    assert lost.state == "failed"
    assert lost.error.startswith("destination 1 (json): Failed to send JSON POST notification")
    assert "'chat: release a is live' is not delivered: destination 1 (json)" in caplog.text
    assert [shown for shown in (repr(lost), caplog.text) if TOKEN in shown] == []


def test_a_server_that_comes_back_in_time_gets_the_message(ledger: Ledger) -> None:
    class Late(Counting):
        def send(self, notification: Notification) -> None:
            self.error = "away" if self.attempts < 2 else ""
            super().send(notification)

    late = Late()
    ledger.notifications.add("one", MESSAGE, NOW)
    sender(ledger, late).send_queued()

    assert (late.attempts, late.sent) == (3, [MESSAGE])
    assert ledger.notifications.undelivered(NOW) == []


def test_a_destination_that_is_down_holds_the_others_up_only_once(ledger: Ledger) -> None:
    down, well = Counting("down", error="away"), Counting("well")
    for key in "abc":
        ledger.notifications.add(key, MESSAGE, NOW)
    sender(ledger, down, well).send_queued()
    lost = ledger.notifications.undelivered(NOW)

    assert (down.attempts, well.attempts) == (ATTEMPTS + 2, 3)
    assert [(one.key, one.delivered, one.error) for one in lost] == [
        (key, ("well",), "down: away") for key in "cba"
    ]


def test_a_sender_that_is_stopped_leaves_the_rest_for_the_next_start(ledger: Ledger) -> None:
    well, down = Counting("well"), Counting("down", error="away")
    down.stop = Stop()
    ledger.notifications.add("one", MESSAGE, NOW)
    sender(ledger, well, down, stop=down.stop).send_queued()
    assert [one.delivered for one in ledger.notifications.next_queued()] == [("well",)]
    assert down.attempts == 1

    down.error = ""
    sender(ledger, well, down).send_queued()
    assert (well.attempts, down.attempts) == (1, 2)
    assert ledger.notifications.next_queued() == []


def test_old_news_is_not_sent(ledger: Ledger) -> None:
    well = Counting("well")
    ledger.notifications.add("old", MESSAGE, NOW - EXPIRY - timedelta(seconds=1))
    ledger.notifications.add("new", MESSAGE, NOW - EXPIRY)
    sender(ledger, well).send_queued()
    (lost,) = ledger.notifications.undelivered(NOW)

    assert well.attempts == 1
    assert (lost.key, lost.state) == ("old", "expired")
    assert lost.error == "nobody sent it within a day; does `tidemill up` run?"


def test_the_controllers_process_sends_what_is_queued_and_ends_when_it_is_told_to(
    tmp_path: Path, hook: Webhook
) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    publish(ledger, settings_of(hook.url))
    variables = {"HOME": tmp_path, "SPECS": tmp_path / "specs", "NOTIFY_URLS": hook.url}
    environment = {f"TIDEMILL_{name}": str(value) for name, value in variables.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", entry_points.ROLLOUTS],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = monotonic() + 120
    while not hook.messages and process.poll() is None and monotonic() < until:
        sleep(0.05)
    process.terminate()
    output, _ = process.communicate(timeout=60)
    left = ledger.notifications.next_queued()
    ledger.engine.dispose()

    assert [message["title"] for message in hook.messages] == ["desk: a run failed at 'tune'"]
    assert (process.returncode, left) == (0, [])
    assert TOKEN not in output


def test_a_destination_that_cannot_be_used_stops_no_controller(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    thread = SenderThread(ledger, settings_of("slak://secret/token"), SystemClock())
    thread.start()
    thread.close()

    assert "no notification is sent: TIDEMILL_NOTIFY_URLS: destination 1" in caplog.text
    assert "secret" not in caplog.text
