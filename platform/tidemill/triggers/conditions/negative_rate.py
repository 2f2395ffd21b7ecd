"""Users are unhappy: the lower bound of the share of bad ratings is above a limit.

Ratings of one subject are no independent draws, so the bound is Wilson's for as many ratings as
would spread like these do from subject to subject (the design effect of Kish 1965).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist

from pydantic import Field

from tidemill.spec.base import Duration, Fraction, Frozen
from tidemill.triggers import ConditionResult, FeedbackSignal, TriggerState, counted_signals
from tidemill.triggers.subject_weight import capped_weights, weighted_mean

VERSION = 3


class Options(Frozen):
    """Options of `type: negative_rate`."""

    above: Fraction
    """The rate of bad ratings (thumbs down, scores and outcomes in the lower half)."""
    at_least: int = Field(default=20, ge=1, le=20_000)
    """Fewest ratings to judge on."""
    window: Duration = timedelta(days=1)
    """Only ratings given this recently."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """Confidence that the true rate is above: the lower Wilson bound is compared, subjects taken
    as independent draws."""


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:
    """Compare the lower bound of the rate, each subject weighing at most its share."""
    rated = [
        s
        for s in state.consented_signals
        if s.rating is not None
        and now - options.window <= s.time <= now
        and _is_about_live(s, state)
    ]
    counting = counted_signals(rated, options.at_least, state.share)
    means = _means(rated)
    rate, weight = weighted_mean(means, state.share)
    low = _lower(rate, min(weight, _draws(means, rate, state.share)), options.confidence)
    numbers = {"rate": rate, "low": low, "ratings": len(rated), "counted": len(counting)}
    if len(counting) < options.at_least:
        reason = f"{len(counting)} of {options.at_least} ratings in the window"
        return ConditionResult(False, reason, None, numbers)
    summary = f"{rate:.0%} of {len(rated)} ratings are bad (at least {low:.0%})"
    if low <= options.above:
        return ConditionResult(False, f"{summary}; the limit is {options.above:.0%}", None, numbers)
    since = counting[options.at_least - 1].arrived
    return ConditionResult(
        True, f"{summary}, over the limit of {options.above:.0%}", since, numbers
    )


def _is_about_live(signal: FeedbackSignal, state: TriggerState) -> bool:
    """False for a rating of a release that does not serve any more, or not yet."""
    return None in (signal.release, state.live_release) or signal.release == state.live_release


def _means(rated: Sequence[FeedbackSignal]) -> dict[str, tuple[int, float]]:
    """Subject → how many ratings, and the share of bad ones."""
    by_subject: dict[str, list[bool]] = defaultdict(list)
    for signal in rated:
        assert signal.rating is not None
        by_subject[signal.subject or ""].append(signal.rating < 0.5)
    return {subject: (len(bad), sum(bad) / len(bad)) for subject, bad in by_subject.items()}


def _draws(means: Mapping[str, tuple[int, float]], rate: float, share: float) -> float:
    """Number of independent ratings of the same precision; the number of subjects where they
    are all alike."""
    weights = capped_weights((n for n, _ in means.values()), share)
    pairs = zip(weights, means.values(), strict=True)
    spread = sum((weight * (mean - rate)) ** 2 for weight, (_, mean) in pairs)
    return rate * (1 - rate) * sum(weights) ** 2 / spread if spread > 0 else float(len(means))


def _lower(rate: float, n: float, confidence: float) -> float:
    """The one-sided Wilson bound (Wilson 1927) of a rate seen `n` times."""
    if n <= 0:
        return 0.0
    z = NormalDist().inv_cdf(confidence)
    centre = rate + z * z / (2 * n)
    spread = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + z * z / n))
