"""A/A: rollouts of identical releases through the real decisions, and what these still see.

Every rollout is played look by look: three minutes of requests, then `advance`. The live arm's
cache is warm and the candidate's is cold, latencies are log-normal, one request in a hundred fails,
and users who stay with their arm rate a fifth of the answers, each after their own mood.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tidemill.engine.arm_health import ArmHealth
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary, SubjectRatings
from tidemill.spec.rollout import Rollout

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(minutes=3)
PATIENCE = 120
"""Looks after which a rollout counts as held for ever: more than six hours, for steps of 9 m."""
RUNS = 200
SPEC: dict[str, Any] = {
    "apiVersion": "tidemill/v1",
    "kind": "Rollout",
    "name": "walk",
    "of": "model",
    "judged_by": "check",
    "service": "support",
    "steps": [
        {"percent": 10, "hold": "9m", "min_requests": 20},
        {"percent": 50, "hold": "9m", "min_requests": 50},
        {"percent": 100, "hold": "9m"},
    ],
    "guardrails": [
        {"signal": "error_rate", "at_most": 0.02},
        {"signal": "error_rate", "max_ratio_to_live": 2},
        {"signal": "latency_p50", "max_ratio_to_live": 1.2},
        {"signal": "latency_p95", "max_ratio_to_live": 1.5},
    ],
    "quality": {"margin": 0.05, "alpha": 0.05, "expected_ratings": 300},
    "on_inconclusive": "promote",
    "watch": "15m",
}


@dataclass(frozen=True)
class Release:
    """How a release answers."""

    seconds: float = 0.2
    """Median."""
    errors: float = 0.01
    rating: float = 0.7
    """Share of answers that users like."""


@dataclass
class Batch:
    """What one arm did between two looks."""

    at: datetime
    requests: int
    errors: int
    seconds: list[float]


def _nothing() -> Any:
    return np.zeros(2)


@dataclass
class World:
    """A service with so many requests a look, and its two releases."""

    seed: int
    candidate: Release = Release()
    live: Release = Release()
    per_look: int = 100
    cached: float = 0.9
    """Share of the live arm's answers that come from its cache."""
    now: datetime = T0
    batches: dict[str, list[Batch]] = field(default_factory=lambda: defaultdict(list))
    rated: dict[tuple[int, int, bool], Any] = field(default_factory=lambda: defaultdict(_nothing))
    """Ratings and their sum, by step (-1 before the first), user, and whether of the candidate."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.users = int(self.rng.integers(40, 160))
        self.mood = self.rng.normal(0, 0.1, self.users)

    def pass_time(self, at: RolloutState, percent: float) -> None:
        """Three minutes of requests, split by user."""
        self.now += LOOK
        chosen = self.rng.integers(self.users, size=self.rng.poisson(self.per_look))
        position = (chosen * 7919 + self.seed) % self.users / self.users * 100
        self._serve("new", chosen[position < percent], at)
        self._serve("old", chosen[position >= percent], at)

    def _serve(self, name: str, users: Any, at: RolloutState) -> None:
        is_candidate, rng = name == "new", self.rng
        release = self.candidate if is_candidate else self.live
        failed = rng.random(len(users)) < release.errors
        cached = rng.random(len(users)) < (0.1 if is_candidate else self.cached)
        timed = int((~failed & ~cached).sum())
        seconds = release.seconds * np.exp(0.5 * rng.normal(size=timed))
        self.batches[name].append(Batch(self.now, len(users), int(failed.sum()), list(seconds)))
        step = at.step + 1 if at.status == "watched" else at.step
        rates = ~failed & (rng.random(len(users)) < 0.2)
        for user in map(int, users[rates]):
            key, likes = (step, user, is_candidate), rng.random() < release.rating + self.mood[user]
            self.rated[key] += (1, likes)

    def health(self, since: datetime) -> dict[str, ArmHealth]:
        """Of both arms since a moment."""
        found = {}
        for name, batches in self.batches.items():
            recent = [batch for batch in batches if batch.at > since]
            seconds = [second for batch in recent for second in batch.seconds]
            counts = sum(b.requests for b in recent), sum(b.errors for b in recent)
            found[name] = ArmHealth.measure(*counts, seconds)
        return found

    def ratings(self, at: RolloutState) -> RatingSummary:
        """All ratings so far; those that live got before the rollout stand beside the watch."""
        watch = at.step + 1 if at.status == "watched" else -1
        rows = [
            SubjectRatings(str(user), is_candidate, int(count), total, watch if step < 0 else step)
            for (step, user, is_candidate), (count, total) in self.rated.items()
            if step >= 0 or watch > 0
        ]
        return RatingSummary(tuple(rows))


def play(world: World, **changes: Any) -> list[Advance]:
    """A rollout to its end, or to the end of patience."""
    rollout = Rollout.model_validate({**SPEC, **changes})
    at, percent, looks = RolloutState.begin("new", "old", T0), 0, []
    for _ in range(10):  # the hours before
        world.pass_time(at, 0)
    at = replace(at, step_started=world.now, since=world.now)
    while at.status in ("running", "watched") and len(looks) < PATIENCE:
        found = advance(rollout, at, world.health(at.since), world.ratings(at), world.now)
        looks.append(found)
        at, percent = found.state, found.percent
        world.pass_time(at, percent)
    return looks


def identical(seed: int) -> World:
    """A busy or a quiet service, with a warm cache, a cold one or none."""
    return World(seed, per_look=(5, 15, 50, 150)[seed % 4], cached=(0.97, 0.8, 0.0)[seed % 3])


def test_of_identical_releases_few_go_back_and_none_is_held_for_ever() -> None:
    """The law of the A/A: at most 5 % false rollbacks, no endless hold."""
    ends = [play(identical(seed))[-1] for seed in range(RUNS)]
    statuses = Counter(end.state.status for end in ends)

    assert statuses["live"] + statuses["rolled_back"] == RUNS, statuses
    assert statuses["rolled_back"] <= 0.05 * RUNS, [e.reason for e in ends if e.decision != "done"]


@pytest.mark.parametrize(
    ("candidate", "signal"),
    [(Release(seconds=0.4), "latency"), (Release(errors=0.1), "error_rate")],
    ids=["twice as slow", "every tenth answer an error"],
)
def test_a_bad_release_goes_back(candidate: Release, signal: str) -> None:
    """With a cold cache against a warm one, and 100 requests a look or more."""
    worlds = [World(seed, candidate, per_look=300, cached=0.8) for seed in range(12)]
    ratio = {"signal": "latency_p95", "max_ratio_to_live": 1.5}
    limits: Sequence[Any] = [ratio] if signal == "latency" else SPEC["guardrails"]
    ends = [play(world, guardrails=limits)[-1] for world in worlds]

    assert [end.decision for end in ends].count("roll_back") >= 11
    assert all(end.reason.startswith(signal) for end in ends if end.decision == "roll_back")


def test_a_poisoned_release_that_no_step_could_see_goes_back_in_its_watch() -> None:
    """Few ratings at 50 % say nothing; the former release's ratings stand beside the new ones."""
    worlds = [World(seed, Release(rating=0.25), per_look=60) for seed in range(12)]
    steps = [{"percent": 50, "hold": "2m"}, {"percent": 100, "hold": "2m"}]
    looks = [play(world, steps=steps, watch="6h") for world in worlds]
    promoted = [look for look in looks if any(one.state.status == "watched" for one in look)]

    assert promoted
    assert all(look[-1].decision == "roll_back" for look in looks)
    assert all("worse than the release before" in look[-1].reason for look in promoted)
