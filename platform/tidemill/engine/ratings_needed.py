"""How many ratings a rollout needs until they can say that it is no worse, and how long that takes.

The half-width of `engine.sequential` is turned round: with `n` ratings of variance `v`, dealt to
the candidate with share `p`, `Var(d) = v / (n p (1 - p))`, and the answer is the smallest `n` at
which the half-width is within the margin. The half-width only falls with `n`, so halving finds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from tidemill.engine.sequential import FEWEST, half_width
from tidemill.spec.rollout import RatingQuality

WIDEST = 0.25
"""The largest variance of ratings in 0..1."""
MOST = 10**12
"""More ratings than anybody will wait for."""


@dataclass(frozen=True)
class RatingRate:
    """Ratings of a service so far."""

    ratings: int
    days: float
    """How long they took to come; at least one day."""
    mean: float

    @property
    def per_day(self) -> float:
        """How many a day."""
        return self.ratings / self.days

    @property
    def variance(self) -> float:
        """At most this, for ratings in 0..1 of this mean; at least what one odd rating in all of
        them would give, so that all-alike ratings do not promise certainty."""
        mean = (self.mean * self.ratings + 1) / (self.ratings + 2)
        return mean * (1 - mean)


@dataclass(frozen=True)
class StepEstimate:
    """What one step of a rollout waits for."""

    percent: int
    ratings: int | None
    """Ratings of both arms together; None where no number of them is enough."""
    days: float | None
    """At the present pace; None while there are no ratings."""


def ratings_needed(
    variance: float, percent: float, *, margin: float, alpha: float, expected_ratings: int
) -> int | None:
    """The fewest ratings whose half-width is at most `margin`, of `FEWEST` subjects in each arm;
    None where there is no such number (a margin of 0, or all traffic on one arm)."""
    share = percent / 100
    if margin <= 0 or not 0 < share < 1:
        return None
    spread = variance / (share * (1 - share))

    def wide(n: int) -> bool:
        return half_width(n, spread / n, alpha, expected_ratings) > margin

    most = 1
    while wide(most):
        most *= 2
        if most > MOST:
            return None
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if wide(middle) else (least, middle)
    return max(most, ceil(FEWEST / min(share, 1 - share)))


def step_estimates(
    percents: Iterable[int], quality: RatingQuality | None, rate: RatingRate | None
) -> tuple[StepEstimate, ...]:
    """For each step with traffic on both arms: ratings and days until the margin can be seen.

    `percents` are the candidate's shares by step; without `quality` no rating judges, and there is
    nothing to wait for.

    Without ratings so far the number holds for ratings as far apart as they can be; no days are
    told then. Many ratings of few subjects count for less, and take longer.
    """
    if quality is None:
        return ()
    variance = min(rate.variance, WIDEST) if rate and rate.ratings else WIDEST
    estimates = []
    for percent in (percent for percent in percents if 0 < percent < 100):
        ratings = ratings_needed(
            variance,
            percent,
            margin=quality.margin,
            alpha=quality.alpha,
            expected_ratings=quality.expected_ratings,
        )
        has_rate = ratings is not None and rate is not None and rate.ratings > 0
        days = ratings / rate.per_day if has_rate and ratings and rate else None
        estimates.append(StepEstimate(percent, ratings, days))
    return tuple(estimates)


def format_days(days: float) -> str:
    """`less than a day`, `about 12 days`."""
    count = ceil(days)
    return "less than a day" if days < 1 else f"about {count:,} day{'s' if count > 1 else ''}"
