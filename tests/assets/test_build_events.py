"""What a run does is told as it happens: one message for one failure, with its own reason."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from tests.assets.test_sensors import fire, started

from tidemill.adapters.kafka import MEMORY, connect
from tidemill.errors import GateFailed, TidemillError
from tidemill.events import LIFECYCLE_TOPIC, LifecycleEvent, decode
from tidemill.home import Home
from tidemill.local.dagster_home import prepare
from tidemill.progress import no_progress
from tidemill.records import NotificationRecord
from tidemill.settings import NotifySettings
from tidemill_assets.launch import launch
from tidemill_assets.runs import DECISION_TAG, follow

NOTIFY = NotifySettings.read({"TIDEMILL_NOTIFY_URLS": "json://127.0.0.1:1"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def noisy(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that tells people, over a bus of this process."""
    monkeypatch.setenv("DAGSTER_HOME", str(prepare(home.settings)))
    told = {"notify": NOTIFY, "bootstrap_servers": MEMORY}
    return Home(home.settings.model_copy(update=told))


def run(home: Home, key: str = "") -> str:
    tags = {DECISION_TAG: key} if key else {}
    return launch(home.with_fresh_specs(), "desk", ["rows"], tags=tags, say=no_progress)["run"]


def messages(home: Home) -> list[NotificationRecord]:
    return home.ledger.notifications.next_queued()


def events() -> list[LifecycleEvent]:
    read = connect(MEMORY).read({(LIFECYCLE_TOPIC, 0): 0}, limit=1000, timeout=0.1)
    data = [decode(message.headers, message.value).data for message in read]
    return [event for event in data if isinstance(event, LifecycleEvent)]


def test_a_dataset_that_was_built_is_an_event_and_one_that_is_reused_is_none(noisy: Home) -> None:
    first, second = run(noisy), run(noisy)

    built = [event for event in events() if event.run in (first, second)]
    assert [(event.what, event.name, event.run) for event in built] == [
        ("dataset-built", "rows", first)
    ]
    assert built[0].digest.startswith("sha256:")
    assert messages(noisy) == []


def test_a_check_that_stops_the_line_is_told_once_with_its_reason(noisy: Home) -> None:
    path = noisy.settings.specs / "desk" / "rows.yaml"
    path.write_text(path.read_text().replace("min_value: 5", "min_value: 500"))
    with pytest.raises(GateFailed):
        run(noisy)

    (message,) = messages(noisy)
    assert message.notification.topic == "gate-failed"
    assert message.notification.command == "tidemill data show desk/rows"
    assert "expect_column_value_lengths_to_be_between" in message.notification.body


def test_a_run_that_fails_is_told_with_the_failing_steps_reason_and_a_log_that_is_there(
    noisy: Home,
) -> None:
    key = fire(noisy)
    (noisy.settings.specs / "desk" / "rows.csv").write_bytes(b"\xff\xfe\x00,label")
    with pytest.raises(TidemillError) as caught:
        run(noisy, key)
    with dg.DagsterInstance.get() as instance:
        follow(noisy, instance, NOW)

    (message,) = messages(noisy)
    assert noisy.ledger.trigger_decisions.get(key).state == "failed"
    assert message.notification.subject == "desk: a run failed at 'rows'"
    assert message.notification.body.startswith(str(caught.value))
    log = Path(message.notification.body.rpartition("Log: ")[2])
    assert [path for path in log.rglob("*") if path.is_file()]


def test_a_run_that_ends_outside_of_its_assets_is_told_once(
    noisy: Home, instance: dg.DagsterInstance
) -> None:
    good, bad = fire(noisy), fire(noisy)
    started(instance, good, dg.DagsterRunStatus.SUCCESS)
    started(instance, bad, dg.DagsterRunStatus.FAILURE)
    for _ in range(2):
        follow(noisy, instance, NOW)

    finished, failed = messages(noisy)
    assert finished.notification.subject == "desk: the run of trigger 'again' finished"
    assert finished.notification.body.startswith("It was started because: 2 of 2 new rows")
    assert failed.notification.subject == "desk: a run failed at 'again'"
