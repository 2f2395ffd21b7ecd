"""Which ratings judge a rollout: each step's, and in a watch the former release's of before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.adapters.streams import NOW, answer, take, thumb
from tests.serving.test_controller import SPEC

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.rollout_process import Rates
from tidemill.engine.rollout_state import RolloutState
from tidemill.records import RolloutUpdate
from tidemill.settings import Settings
from tidemill.spec.rollout import Rollout

HOUR = timedelta(hours=1)


def test_in_a_watch_new_ratings_stand_beside_those_the_former_release_got_before(
    tmp_path: Path,
) -> None:
    """It got two in the two hours before, one in the step, and one too early; the candidate one in
    the step and two in the watch."""
    ledger, bus = Ledger.open("sqlite://"), MemoryBus()
    fields = {**SPEC, "service": "chat", "quality": {}, "watch": "2h"}
    key = ledger.rollouts.request("chat", "new", str(tmp_path), fields, NOW)
    ledger.rollouts.record_decision(key, RolloutUpdate("promote", "on"), NOW)
    times = {"old": (-3.0, -1.0, -0.5, 0.5), "new": (0.5, 2.0, 2.5)}
    number = 0
    for release, hours in times.items():
        for hour in hours:
            at = NOW + hour * HOUR
            events = [answer(number, at=at, release=release), thumb(number, at=at)]
            take(ledger.events, bus, events, now=at)
            number += 1
    state = RolloutState("new", "old", NOW + HOUR, NOW + HOUR, step=0, status="watched")

    rates = Rates(ledger, Settings(specs=tmp_path))
    found = rates(ledger.rollouts.get(key), state, Rollout.model_validate(fields)).rated
    steps = [(row.step, row.candidate) for row in found for _ in range(row.ratings)]

    assert sorted(steps) == [(0, False), (0, True), (1, False), (1, False), (1, True), (1, True)]
