"""How the number of failures changes from week to week, and whether that can be said at all.

The people who met a failure in a week are compared with the people who were answered in it. Given
their total, the weeks they fall into are draws from a multinomial distribution whose logarithms
rise with the weeks (Poisson regression, conditioned on the total: Przyborowski and Wilenski 1940),
so the bounds of the rise are exact, and hold for three failures as for a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

WIDEST = log(1.5)
"""Half the width of an interval that still says something: it reaches a third less and a half more
each week."""
_STEEPEST = log(1024.0)
"""A change beyond this is unbounded."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeeklyTrend:
    """The factor by which the share of people who meet a failure changes in a week."""

    factor: float
    low: float
    high: float
    """Infinite where nothing bounds it."""


def weekly_trend(
    affected: Sequence[int], answered: Sequence[int], confidence: float = 0.95
) -> WeeklyTrend | None:
    """The trend over weeks, oldest first; None where there are too few to say.

    `affected` are the people who met the failure in each week, `answered` all who were answered.
    """
    exposed = np.array([max(pair) for pair in zip(affected, answered, strict=True)], dtype=float)
    total = int(sum(affected))
    if not _is_enough(exposed, total, confidence):
        return None
    moment = int(sum(week * count for week, count in enumerate(affected)))
    tail = (1 - confidence) / 2
    low = _solve(lambda rise: _above(exposed, rise, total, moment) - tail)
    high = _solve(lambda rise: tail - (1 - _above(exposed, rise, total, moment + 1)))
    middle = _solve(
        lambda rise: float(_shares(exposed, rise) @ np.arange(len(exposed))) * total - moment
    )
    return WeeklyTrend(_factor(middle), _factor(low), _factor(high))


def _is_enough(exposed: Array, total: int, confidence: float) -> bool:
    """True where a steady share would get an interval that says something. What was seen in which
    week has no part in it: else the intervals that are shown would be the lucky ones."""
    if not exposed.sum():
        return False
    weeks = np.arange(len(exposed))
    shares = _shares(exposed, 0.0)
    variance = float(shares @ (weeks - shares @ weeks) ** 2)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return total * variance * WIDEST**2 >= z**2


def _shares(exposed: Array, rise: float) -> Array:
    """The probability of each week under a rise of the logarithm a week."""
    with np.errstate(divide="ignore"):
        logs = np.log(exposed) + rise * np.arange(len(exposed))
    weights = np.exp(logs - logs.max())
    shares: Array = weights / weights.sum()
    return shares


def _above(exposed: Array, rise: float, total: int, moment: int) -> float:
    """The probability that the weeks of `total` draws add up to `moment` or more."""
    size = total * (len(exposed) - 1) + 1
    length = 1 << size.bit_length()
    spectrum = np.fft.rfft(_shares(exposed, rise), length) ** total
    sums = np.fft.irfft(spectrum, length)[:size]
    return float(np.clip(sums[moment:].sum(), 0.0, 1.0))


def _solve(rising: Callable[[float], float]) -> float:
    """Where a rising function of the slope is zero; infinite where it is not in sight."""
    low, high = -_STEEPEST, _STEEPEST
    if rising(low) >= 0:
        return -inf
    if rising(high) <= 0:
        return inf
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _factor(slope: float) -> float:
    return exp(slope) if slope < inf else inf
