"""`tidemill rollout status` says of a rollout under way what its steps can see, and by when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.adapters.streams import answer, take
from tests.engine.rollout_specs import QUALITY, spec

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.cli import commands
from tidemill.control.rollout_updates import change_of
from tidemill.control.shadow_answers import shadow_pairs
from tidemill.engine.rollout import advance
from tidemill.engine.rollout_state import RolloutState, Status
from tidemill.engine.sequential import RatingSummary
from tidemill.records import RolloutUpdate
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]
BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEPS = [{"percent": 50, "hold": "2d"}, {"percent": 100, "hold": "1d"}]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.chdir(tmp_path)
    for name in ("SPECS", "HOME", "LEDGER_URL"):
        monkeypatch.delenv(f"TIDEMILL_{name}", raising=False)
    ledger = Ledger.open(f"sqlite:///{tmp_path / '.tidemill' / 'ledger.db'}")
    yield ledger
    ledger.engine.dispose()


def test_a_shadow_shows_its_agreement_and_what_flipped(ledger: Ledger, capsys: Captured) -> None:
    texts = ("refund", "order", "order")
    for number, label in enumerate(texts):
        live = answer(number, at=BEGUN, response_id=f"p{number}", label=label, latency=0.1)
        copy = answer(
            number,
            at=BEGUN,
            event_id=f"s{number}",
            response_id=f"p{number}.shadow",
            release="sha256:two",
            arm="shadow",
            label="order",
            latency=0.2,
        )
        take(ledger.events, MemoryBus(), [live, copy], now=BEGUN)
    rollout = spec(mode="shadow", steps=[{"percent": 0, "hold": "1h"}], service="chat")
    state = replace(RolloutState.begin("sha256:two", "sha256:one", BEGUN), step=0)
    pairs = shadow_pairs(ledger)(state, rollout)
    look = advance(rollout, state, {}, RatingSummary(), BEGUN + timedelta(hours=2), pairs)
    values = rollout.model_dump(mode="json", by_alias=True)
    key = ledger.rollouts.request("chat", "sha256:two", "folder", values, BEGUN)
    ledger.rollouts.record_decision(key, change_of(look, "running"), BEGUN)
    lines = status_of(capsys)
    sentence = "3 answers beside the live ones: 66.7 % the same by label (9.4 to 99.2 %)"

    assert look.state.status == "ended"
    assert lines[-2].startswith(f"  {sentence}; latency_p50 0.1 live, 0.2 shadow")
    assert lines[-1] == '    p0  {"request": "question 0"}: refund → order'


def begin(ledger: Ledger, status: Status = "running", **fields: object) -> None:
    """A rollout in its first step, since the first of March."""
    rollout = spec(**{"steps": STEPS, "service": "chat", **fields})
    values = rollout.model_dump(mode="json", by_alias=True)
    key = ledger.rollouts.request("chat", "sha256:new", "folder", values, BEGUN)
    state = replace(RolloutState.begin("sha256:new", "sha256:old", BEGUN), step=0, status=status)
    update = RolloutUpdate("promote", "on to 50 %", "running", 50, state)
    ledger.rollouts.record_decision(key, update, BEGUN)


def status_of(capsys: Captured) -> list[str]:
    assert run(commands, ["rollout", "status", "chat"]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_rollout_under_way_says_what_comes_and_by_when(ledger: Ledger, capsys: Captured) -> None:
    begin(ledger, traffic={"requests_per_day": 100, "rating_rate": 0.05}, watch="0s")
    lines = status_of(capsys)

    assert lines[0] == "chat new: running, 50 %"
    assert lines[-4:] == [
        "  expected: 100 requests and 5 ratings a day",
        "  at 50 %: about 2 days; 100 answers",
        "  at 100 %: about 1 day; 100 answers",
        "  the last step is over about 2026-03-04 12:00 UTC",
    ]


def test_a_shadow_under_way_says_which_agreement_it_shows(ledger: Ledger, capsys: Captured) -> None:
    steps, traffic = [{"percent": 0, "hold": "1d"}], {"requests_per_day": 100}
    begin(ledger, mode="shadow", min_agreement=0.9, steps=steps, traffic=traffic)

    assert "  at 0 %: about 1 day; 100 answers, they show an agreement of 83.0 % to be too low" in (
        status_of(capsys)
    )


def test_measured_traffic_says_where_it_cannot_finish(ledger: Ledger, capsys: Captured) -> None:
    first = datetime.now(UTC) - timedelta(days=2)
    take(ledger.events, MemoryBus(), [answer(n, at=first) for n in range(20)], now=first)
    begin(ledger, quality=QUALITY, on_inconclusive="hold")
    lines = status_of(capsys)

    assert "  measured: 10 requests and 0 ratings a day" in lines
    assert lines[-1].startswith("  cannot finish: at 50 %: 3,911 ratings are needed to show")


def test_without_traffic_it_says_so_and_the_json_has_no_forecast(
    ledger: Ledger, capsys: Captured
) -> None:
    begin(ledger)

    assert "unknown without a day of traffic" in status_of(capsys)[-1]
    run(commands, ["rollout", "status", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["forecast"] is None


def test_a_rollout_that_is_over_is_told_nothing_of_the_future(
    ledger: Ledger, capsys: Captured
) -> None:
    begin(ledger, "rolled_back", traffic={"requests_per_day": 100})

    assert status_of(capsys)[-1].endswith("on to 50 %")
