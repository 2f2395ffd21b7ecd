"""Did one of two models get worse on the same rows: the sign test, and a bound on the fall."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import comb, sqrt
from statistics import NormalDist

from tidemill.engine.statistics import bootstrap_of, mean_of

_TINY = 1e-9
_STEPS = 60


def sign_test(worse: int, better: int) -> float:
    """The chance of at least so many worse of all that changed, if worse and better were equally
    likely: McNemar's exact test, one-sided (McNemar 1947)."""
    changed = worse + better
    return sum(comb(changed, count) for count in range(worse, changed + 1)) / (1 << changed)


def fall_bound(falls: Sequence[float], level: float) -> float:
    """The lower bound of the mean fall; chance alone exceeds it at most about `level` of the time.

    `falls` are baseline minus candidate, one for each unit (a row, or a person's rows together).
    Tango's score interval where a row is right or wrong (Tango 1998), else the bootstrap's. Minus
    infinity without units.
    """
    if not falls:
        return float("-inf")
    if all(abs(fall - round(fall)) < _TINY and abs(fall) < 1 + _TINY for fall in falls):
        return _tango(sum(fall > 0.5 for fall in falls), sum(fall < -0.5 for fall in falls),
                      len(falls), level)  # fmt: skip
    resamples = max(2000, round(20 / level))
    confidence = 1 - 2 * level
    return bootstrap_of(mean_of(falls), len(falls), confidence, resamples=resamples).low


def visible_fall(rows: int, margin: float, level: float) -> int | None:
    """How many of so many rows have to get worse, and none better, for both to show a fall by more
    than the margin; None where not even all of them would."""

    def shows(worse: int) -> bool:
        return sign_test(worse, 0) <= level and _tango(worse, 0, rows, level) > margin

    fewest = bisect_left(range(1, rows + 1), True, key=shows) + 1
    return fewest if fewest <= rows else None


def _tango(worse: int, better: int, rows: int, level: float) -> float:
    """The smallest difference that the score test does not reject; by bisection."""
    limit = NormalDist().inv_cdf(1 - level)
    low, high = -1.0, (worse - better) / rows
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rejected = _score(worse, better, rows, middle) > limit
        low, high = (middle, high) if rejected else (low, middle)
    return low


def _score(worse: int, better: int, rows: int, difference: float) -> float:
    """The score statistic of a difference, the share of better rows at its likeliest value."""
    b = -worse - better + (2 * rows - worse + better) * difference
    c = -better * difference * (1 - difference)
    share = (sqrt(max(0.0, b * b - 8 * rows * c)) - b) / (4 * rows)
    variance = rows * (2 * share + difference * (1 - difference))
    apart = worse - better - rows * difference
    return apart / sqrt(variance) if variance > _TINY else (1 if apart > 0 else -1) * float("inf")
