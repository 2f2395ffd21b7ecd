"""What the controller does is what the engine said, for every rollout at every tick."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving.test_controller import CHAT, FAILING, GOOD, SLOW, SPEC, Stage

from tidemill.engine.approval import Identity, refusal_reason
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_commands import Command, obey
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary
from tidemill.ports import ArmHealth
from tidemill.records import RolloutRecord

MODES: Sequence[Mapping[str, Any]] = (
    {},
    {"guardrails": []},
    {"steps": [{"percent": 100, "hold": "30s", "min_requests": 150}]},
    {"mode": "shadow", "steps": [{"percent": 0, "hold": "30s"}]},
    {"mode": "ab", "steps": [{"percent": 50, "hold": "30s"}], "quality": {}},
    {"guardrails": [{"signal": "error_rate", "at_most": 0.05, "failure_limit": 2}]},
)
APPROVALS: Sequence[Mapping[str, Any]] = (
    {},
    {"approval": {}},
    {"approval": {"by": ["ann"]}},
    {"approval": {"by": ["ann"], "before_percent": 50}},
)


@dataclass(frozen=True)
class Tick:
    """What happens before one tick."""

    seconds: int
    health: ArmHealth | None
    command: tuple[Command, str] | None
    killed: bool


TICKS = st.lists(
    st.builds(
        Tick,
        st.sampled_from([10, 10, 40]),
        st.sampled_from([GOOD, GOOD, GOOD, FAILING, SLOW, None]),
        st.one_of(
            st.none(),
            st.none(),
            st.none(),
            st.tuples(
                st.sampled_from(["promote", "pause", "rollback"]), st.sampled_from(["ann", "bob"])
            ),
        ),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=12,
)


def active(stage: Stage) -> RolloutRecord | None:
    """The rollout that is decided at the next tick: the candidate, or a watched live release."""
    candidates = stage.ledger.in_progress(CHAT)
    live = stage.ledger.live_rollout(CHAT)
    if candidates:
        return candidates[-1]
    watched = (
        live is not None
        and live.rollout_state is not None
        and live.rollout_state.status == "watched"
    )
    return live if watched else None


def state_of(stage: Stage, row: RolloutRecord) -> RolloutState:
    """Where it stands before the tick."""
    if row.rollout_state is not None:
        return row.rollout_state
    live = stage.ledger.live_release(CHAT)
    return RolloutState.begin(row.release, live, stage.clock.now())


def engine_says(stage: Stage, row: RolloutRecord, command: tuple[Command, str] | None) -> Advance:
    """The engine on the values that the controller has."""
    rollout, state, now = (
        row.spec.parse(),
        state_of(stage, row),
        stage.clock.now(),
    )
    if command is not None:
        do, by = command
        why_not = refusal_reason(Identity(by), rollout.approval, authors=None)
        result = obey(state, do, by, row.percent, now, refusal=why_not)
        if result.state.status == "rolled_back":
            return result
        state = result.state
    health = stage.deployer.health(CHAT, state.since) if state.step >= 0 else {}
    return advance(rollout, state, health, RatingSummary(), now)


def play(stage: Stage, tick: Tick) -> None:
    """One tick, and the law."""
    stage.clock.advance(timedelta(seconds=tick.seconds))
    row = active(stage)
    if row is None:
        return
    for release in {row.release, stage.ledger.live_release(CHAT)} - {None}:
        health = tick.health if release == row.release else GOOD
        if health is not None:
            stage.deployer.record_health(CHAT, str(release), stage.clock.now(), health)
    live_before = row.state == "live"
    command = tick.command
    if command is not None and live_before and command[0] != "promote":
        command = None  # of a live release that is no look: it goes back to the one before
    if command is not None:
        stage.ledger.send_command(row.id, *command)
    if tick.killed:
        stage.controller.close()
        stage.controller = stage.fresh()
    expected = engine_says(stage, row, command)
    stage.controller.tick()
    obeys(stage, row.id, expected)


def obeys(stage: Stage, key: int, expected: Advance) -> None:
    """The ledger and the traffic are what the engine decided."""
    row, live = stage.ledger.get(key), stage.ledger.live_rollout(CHAT)
    assert row.rollout_state == expected.state
    assert (row.reason, row.percent) == (expected.reason, expected.percent)
    assert row.awaits_person == (expected.decision == "ask")
    assert (row.state == "live") == (expected.state.status in ("watched", "live"))
    shadow = row.spec.is_shadow
    assert stage.shares.get(row.release, 0) == (0 if shadow else expected.percent)
    if live is None:
        assert sum(stage.shares.values()) == 0
    else:
        assert sum(stage.shares.values()) == 100


@given(st.booleans(), st.sampled_from(MODES), st.sampled_from(APPROVALS), TICKS)
@settings(deadline=None, max_examples=40)
def test_what_the_controller_does_is_what_the_engine_said(
    first: bool, mode: Mapping[str, Any], approval: Mapping[str, Any], ticks: list[Tick]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        try:
            if not first:
                stage.ask("one", guardrails=[])
                stage.controller.tick()
            stage.ask("one" if first else "two", **{**SPEC, **mode, **approval})
            for tick in ticks:
                play(stage, tick)
        finally:
            stage.controller.close()
