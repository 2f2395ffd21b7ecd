"""Confidence intervals: Wilson's or the exact one for proportions, order statistics for quantiles,
the bootstrap for the rest.

Intervals are two-sided: at confidence 0.95 each bound is missed 2.5 % of the time. The bootstrap is
seeded, so the same rows give the same bounds; rows of one subject can be drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, nan, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from tidemill.engine.binomial import log_probabilities, share_of_tail

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Row weights, shape (replicates, rows), to values, shape (replicates,)."""

RESAMPLES = 2000
_CELLS = 4_000_000
_JACKKNIFE_GROUPS = 400


@dataclass(frozen=True)
class Interval:
    """A value and its confidence bounds."""

    value: float
    low: float
    high: float
    rows: int


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927); 0 to 1 without observations."""
    if n == 0:
        return Interval(nan, 0.0, 1.0, 0)
    z = _z(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), n)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a proportion (Clopper & Pearson 1934); 0 to 1 without observations.

    Each bound is missed at most (1 - confidence) / 2 of the time, for every n: wider than Wilson's,
    which misses more often than it says where there are few rows.
    """
    if n == 0:
        return Interval(nan, 0.0, 1.0, 0)
    tail = (1 - confidence) / 2
    high = 1.0 if successes == n else share_of_tail(successes, n, tail)
    low = 0.0 if successes == 0 else 1 - share_of_tail(n - successes, n, tail)
    return Interval(successes / n, low, high, n)


def quantile_interval(ordered: Sequence[float], q: float, confidence: float = 0.95) -> Interval:
    """Interval of a quantile, whatever the distribution, from values in ascending order.

    Its bounds are two of the values: how many lie below the true quantile is binomial (Hahn and
    Meeker, Statistical Intervals, 1991, 5.2). A bound that so few values cannot give is infinite.
    """
    n = len(ordered)
    if n == 0:
        return Interval(nan, -np.inf, np.inf, 0)
    tail = (1 - confidence) / 2
    at_most = np.cumsum(np.exp(log_probabilities(n, q)))
    lower = int((at_most <= tail).sum())
    upper = int(np.argmax(1 - at_most[:n] <= tail)) + 1 if 1 - at_most[n - 1] <= tail else n + 1
    low = ordered[lower - 1] if lower else -np.inf
    high = ordered[upper - 1] if upper <= n else np.inf
    value = ordered[max(0, ceil(q * n - 1e-9) - 1)]
    return Interval(float(value), float(min(low, value)), float(max(high, value)), n)


def mean_of(values: Sequence[float]) -> Statistic:
    """The mean as a statistic of row weights."""
    column = np.asarray(values, dtype=np.float64)
    return lambda weights: (weights @ column) / weights.sum(axis=1)


def quantile_of(values: Sequence[float], q: float) -> Statistic:
    """The quantile (inverse of the distribution function) as a statistic of row weights."""
    column = np.asarray(values, dtype=np.float64)
    order = np.argsort(column, kind="stable")

    def statistic(weights: Array) -> Array:
        cumulative = np.cumsum(weights[:, order], axis=1)
        threshold = q * cumulative[:, -1:] - 1e-9
        values: Array = column[order][np.argmax(cumulative >= threshold, axis=1)]
        return values

    return statistic


def combined_statistic(statistics: Array, combine: Callable[[Array], Array]) -> Statistic:
    """A function of column sums (BLEU, macro F1, a ratio) as a statistic of row weights."""
    return lambda weights: combine(weights @ statistics)


def paired_difference(candidate: Statistic, baseline: Statistic) -> Statistic:
    """Candidate minus baseline on the same rows: what makes a bootstrap a paired one."""
    return lambda weights: candidate(weights) - baseline(weights)


def bootstrap_of(
    statistic: Statistic,
    n: int,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    clusters: Sequence[Hashable] | None = None,
    method: Literal["percentile", "bca"] = "bca",
    bounded: bool = False,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap interval of any statistic of `n` rows (Efron 1979; BCa: Efron 1987).

    `clusters` gives each row's subject; whole subjects are drawn. Use `percentile` for quantiles,
    where the jackknife behind BCa is not consistent. A bootstrap of rows that are all alike knows
    no spread and would claim certainty; for a statistic that lies in 0..1 (`bounded`) the interval
    is then Wilson's, which no variable in 0..1 exceeds.
    """
    if n == 0:
        return Interval(nan, -np.inf, np.inf, 0)
    groups = _groups(clusters, n)
    value = float(statistic(np.ones((1, n)))[0])
    draws = np.concatenate([statistic(w) for w in _resample(groups, seed, resamples)])
    if np.ptp(draws) == 0:
        units = int(groups.max()) + 1
        apart = wilson(value * units, units, confidence) if bounded else None
        low, high = (apart.low, apart.high) if apart else (value, value)
        return Interval(value, low, high, n)
    tail = (1 - confidence) / 2
    levels = (tail, 1 - tail)
    if method == "bca":
        levels = _bca_levels(levels, draws, value, statistic, groups)
    low, high = np.quantile(draws, levels)
    return Interval(value, min(float(low), value), max(float(high), value), n)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _groups(clusters: Sequence[Hashable] | None, n: int) -> npt.NDArray[np.intp]:
    """The number of each row's group, from 0."""
    if clusters is None:
        return np.arange(n)
    numbers: dict[Hashable, int] = {}
    return np.array(
        [numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp
    )


def _resample(groups: npt.NDArray[np.intp], seed: int, resamples: int) -> Iterator[Array]:
    """Row weights of groups drawn with replacement, in blocks that fit in memory."""
    rng = np.random.default_rng(seed)
    count, rows = int(groups.max()) + 1, len(groups)
    block = max(1, min(resamples, _CELLS // max(rows, count)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield weights[:, groups].astype(np.float64)


def _bca_levels(
    levels: tuple[float, float],
    draws: Array,
    value: float,
    statistic: Statistic,
    groups: npt.NDArray[np.intp],
) -> tuple[float, float]:
    """BCa levels: the percentiles shifted for the draws' bias and skew (Efron 1987, section 4)."""
    below = float((draws < value).mean() + (draws == value).mean() / 2)
    if not 0 < below < 1:
        return levels
    normal = NormalDist()
    bias = normal.inv_cdf(below)
    skew = _acceleration(statistic, groups)
    shifted = (bias + normal.inv_cdf(level) for level in levels)
    low, high = (normal.cdf(bias + s / max(1 - skew * s, 1e-3)) for s in shifted)
    return low, high


def _acceleration(statistic: Statistic, groups: npt.NDArray[np.intp]) -> float:
    """Skewness of the jackknife over six; many groups are left out in blocks (same limit)."""
    count = int(groups.max()) + 1
    blocks = min(count, _JACKKNIFE_GROUPS)
    member = (groups * blocks) // count
    if blocks < 3:
        return 0.0
    step = max(1, _CELLS // len(groups))
    parts = [np.arange(at, min(at + step, blocks)) for at in range(0, blocks, step)]
    left_out = np.concatenate([statistic((member != p[:, None]).astype(float)) for p in parts])
    apart = left_out.mean() - left_out
    scale = float((apart**2).sum()) ** 1.5
    return float((apart**3).sum()) / (6 * scale) if scale > 0 else 0.0
