"""A small team's service, day by day: few requests, fewer ratings, and a rollout's real decisions.

Everything between two looks is drawn: who asks, which arm answers, how long it takes,
whether it fails, and who rates. Users stay with their arm and have their own mood.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tidemill.engine.arm_health import ArmHealth
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary, SubjectRatings
from tidemill.spec.rollout import Rollout

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = timedelta(days=1)
REQUESTS_A_DAY = 100
RATING_RATE = 0.05
USERS = 60


def _no_ratings() -> Any:
    return np.zeros(2)


@dataclass
class SmallTeam:
    """The service with two releases, of which users like these shares of the answers."""

    seed: int
    live: float = 0.8
    candidate: float = 0.8
    now: datetime = T0
    served: list[tuple[datetime, bool, int, Any]] = field(default_factory=list)
    """Time, whether the candidate, errors, and seconds of the others."""
    rated: dict[tuple[int, int, bool], Any] = field(
        default_factory=lambda: defaultdict(_no_ratings)
    )
    """Ratings and their sum by step (-1 before the first), user, and whether of the candidate."""
    met: dict[int, set[tuple[int, bool]]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.mood = self.rng.normal(0, 0.1, USERS)
        self.position = self.rng.permutation(USERS) / USERS * 100

    def pass_time(self, step: int, percent: float) -> None:
        """A day of requests."""
        self.now += LOOK
        users = self.rng.integers(USERS, size=self.rng.poisson(REQUESTS_A_DAY))
        is_candidate = self.position[users] < percent
        for arm in (False, True):
            self._serve(users[is_candidate == arm], arm, step)

    def _serve(self, users: Any, arm: bool, step: int) -> None:
        rng = self.rng
        failed = rng.random(len(users)) < 0.005
        seconds = 0.2 * np.exp(0.5 * rng.normal(size=int((~failed).sum())))
        self.served.append((self.now, arm, int(failed.sum()), seconds))
        self.met[step].update((int(user), arm) for user in users)
        likes = (self.candidate if arm else self.live) + self.mood
        for user in map(int, users[~failed & (rng.random(len(users)) < RATING_RATE)]):
            self.rated[step, user, arm] += (1, rng.random() < likes[user])

    def health(self, since: datetime) -> dict[str, ArmHealth]:
        """Of both arms since a moment."""
        health = {}
        for name, arm in (("new", True), ("old", False)):
            rows = [row for row in self.served if row[1] == arm and row[0] > since]
            seconds = [second for row in rows for second in row[3]]
            errors = sum(row[2] for row in rows)
            health[name] = ArmHealth.measure(len(seconds) + errors, errors, seconds)
        return health

    def ratings(self, state: RolloutState) -> RatingSummary:
        """All ratings so far; in a watch those from before the rollout stand beside the new."""
        watch = state.step + 1 if state.status == "watched" else -1
        rows = [
            SubjectRatings(str(user), arm, int(count), total, watch if step < 0 else step)
            for (step, user, arm), (count, total) in self.rated.items()
            if step >= 0 or watch > 0
        ]
        met = self.met[state.step]
        counts = [len({user for user, arm in met if arm == side}) for side in (False, True)]
        return RatingSummary(tuple(rows), *counts)


@dataclass(frozen=True)
class Outcome:
    """How a rollout ended."""

    status: str
    """`live` after the watch, else `rolled_back`, or where it stood when patience ended."""
    promoted_after: float | None
    """Days until it had all users; None where it never had."""
    days: float
    """Until its end."""
    last: Advance


def play(rollout: Rollout, team: SmallTeam, longest: timedelta = timedelta(days=90)) -> Outcome:
    """A rollout to its end, after as long a time of ratings as its watch compares with."""
    for _ in range(int(rollout.watch / LOOK)):
        team.pass_time(-1, 0)
    state, percent, promoted = RolloutState.begin("new", "old", team.now), 0, None
    start = team.now
    while True:
        found = advance(rollout, state, team.health(state.since), team.ratings(state), team.now)
        state, percent = found.state, found.percent
        days = (team.now - start) / timedelta(days=1)
        if state.status == "watched" and promoted is None:
            promoted = days
        if state.status not in ("running", "watched") or team.now - start > longest:
            return Outcome(state.status, promoted, days, found)
        team.pass_time(state.step + 1 if state.status == "watched" else state.step, percent)


def with_poison(seed: int, points: float = 0.25) -> SmallTeam:
    """A candidate whose answers are liked by so many fewer."""
    return replace(SmallTeam(seed), candidate=0.8 - points)
