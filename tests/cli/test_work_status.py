"""`tidemill status` shows what is at work, what was stopped and why, and what was not delivered."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.places import SERVICE, Shop
from tests.adapters.webhook import TOKEN

from tidemill.adapters.ledger import Ledger
from tidemill.cli import commands
from tidemill.engine.measurement import Check
from tidemill.engine.notification import Notification
from tidemill.engine.release_record import SpecCommit
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.trigger import TriggerVerdict
from tidemill.ports import Materialisation
from tidemill.records import RolloutUpdate
from tidemill.terminal.shell import run

LENGTH = timedelta(minutes=1)
NOW = datetime.now(UTC)
URL = f"json://127.0.0.1:1/{TOKEN}"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages are counted from when a test begins, not from when the suite did."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Shop:
    shop = Shop.open(tmp_path)
    monkeypatch.setenv("TIDEMILL_SPECS", str(shop.work / "specs"))
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", str(free_port))
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    return shop


@pytest.fixture
def ledger(shop: Shop) -> Ledger:
    return shop.home().ledger


@pytest.fixture
def status(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Any:
    """What `tidemill status` prints, as lines and as JSON."""

    def status() -> tuple[list[str], dict[str, Any]]:
        capsys.readouterr()
        assert run(commands, ["status"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert run(commands, ["status", "--json"]) == 0
        return lines, json.loads(capsys.readouterr().out)

    return status


def fire(ledger: Ledger, trigger: str, ago: timedelta, *, fires: bool = True) -> str:
    verdict = TriggerVerdict(fires, "30 of 30 corrections", None if fires else "approval")
    decided = ledger.trigger_decisions.add("chat", trigger, verdict, {}, ["tune"], NOW - ago)
    assert decided is not None
    return decided.key


def build(ledger: Ledger, asset: str, owner: str, ago: timedelta) -> None:
    """Hold the leases of a run that builds an asset."""
    for name in (f"make:{asset}", f"alive:{owner}"):
        assert ledger.leases.acquire(name, owner, LENGTH + ago, NOW - ago)


def minute(ago: timedelta) -> str:
    return f"{NOW - ago:%Y-%m-%d %H:%M} UTC"


def test_runs_under_way_are_shown_with_their_cause_their_step_and_since_when(
    ledger: Ledger, status: Any
) -> None:
    started, day = fire(ledger, "retrain", timedelta(hours=40)), timedelta(hours=20)
    ledger.trigger_decisions.mark_started(started, "run-1", NOW)
    build(ledger, "chat/tune", "run-1", day)
    fire(ledger, "weekly", day)
    synced = ledger.trigger_decisions.request_run("@git/1/shop", "shop", "commit abc: x", (), NOW)
    ledger.trigger_decisions.mark_started(synced.key, "", NOW)
    build(ledger, "shop/rows", "run-2", day)
    build(ledger, "desk/rows", "run-3", day)
    assert ledger.leases.acquire("make:x/y", "host 1 2.00 ab", LENGTH, NOW)  # `tidemill gc`

    lines, values = status()
    runs = [line for line in lines if line.startswith("run  ")]

    since, reason = f"since {minute(day)} (20 h)", "30 of 30 corrections"
    assert runs == [
        f"run  chat: builds tune, {since}; started by trigger 'retrain': {reason}",
        f"run  shop: builds rows, {since}; started by Git sync: commit abc: x",
        f"run  chat: waits to start, {since}; started by trigger 'weekly': {reason}",
        f"run  desk: builds rows, {since}; started by hand",
    ]
    assert [run["run"] for run in values["runs"]] == ["run-1", "run-2", "", "run-3"]


def test_a_run_whose_process_builds_nothing_just_now_is_still_under_way(
    ledger: Ledger, status: Any
) -> None:
    ledger.trigger_decisions.mark_started(fire(ledger, "retrain", LENGTH), "run-1", NOW)

    assert [line for line in status()[0] if "between two assets" in line]


def test_candidates_that_were_stopped_are_shown_with_the_reason(shop: Shop, status: Any) -> None:
    rollouts = shop.home().ledger.rollouts
    shop.go_live(shop.release("a"))
    begun = RolloutState.begin("", None, NOW)
    for letter, step, state in (("b", 1, "rolled_back"), ("c", -1, "failed")):
        change = RolloutUpdate(
            "roll_back",
            f"reason {letter}",
            state=state,  # type: ignore[arg-type]
            rollout_state=replace(begun, step=step),
        )
        rollouts.record_decision(shop.ask(shop.release(letter)), change, NOW)

    lines, values = status()

    when = minute(timedelta(0))
    assert f"  {'b' * 12} was rolled back at {when}: reason b" in lines
    assert f"  {'c' * 12} was stopped before it got traffic at {when}: reason c" in lines
    (service,) = [one for one in values["services"] if one["service"] == SERVICE]
    assert [(one["state"], one["reason"]) for one in service["stopped"]] == [
        ("failed", "reason c"),
        ("rolled_back", "reason b"),
    ]


def test_a_build_whose_check_stopped_it_and_a_trigger_that_asks_are_shown(
    ledger: Ledger, status: Any
) -> None:
    quality = Materialisation(
        project="chat",
        name="quality",
        kind="Evaluation",
        version="v",
        spec_digest="s",
        artefact="sha256:e",
        steps={},
        inputs={},
        commit=SpecCommit(),
        tools={},
        measures=(),
        checks=(Check("gate", passed=False, message="accuracy 0.6 < 0.8"),),
        facts={},
        started_at=NOW,
        seconds=1.0,
    )
    ledger.materialisations.add(quality)
    fire(ledger, "retrain", timedelta(0), fires=False)
    lines, values = status()

    when = minute(timedelta(0))
    assert (
        f"stopped  chat/quality did not pass its checks at {when}, so nothing of it is released: "
        "accuracy 0.6 < 0.8"
    ) in lines
    assert (
        f"trigger  chat/retrain waits for a person since {when}: 30 of 30 corrections; "
        "`tidemill approve chat/retrain`"
    ) in lines
    assert (values["stopped"][0]["name"], values["approvals"][0]["trigger"]) == (
        "quality",
        "retrain",
    )


def test_messages_that_did_not_arrive_are_shown_without_their_destination(
    ledger: Ledger, status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [line for line in status()[0] if line.startswith("notifications")]
    monkeypatch.setenv("TIDEMILL_NOTIFY_URLS", URL)
    message = Notification("promoted", "chat: release a is live", "well", "tidemill status")
    for key in ("lost", "waits"):
        assert ledger.notifications.add(key, message, NOW)
    lost = ledger.notifications.next_queued()[0]
    ledger.notifications.record_delivery(lost.id, "failed", (), NOW, "destination 1 (json): 500")

    lines, values = status()

    assert "notifications  1 destination, 1 waiting to be sent" in lines
    assert "  not delivered: chat: release a is live: destination 1 (json): 500" in lines
    assert values["notifications"]["undelivered"][0]["subject"] == "chat: release a is live"
    assert TOKEN not in json.dumps(values) + "".join(lines)
