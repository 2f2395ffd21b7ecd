"""The difference of two proportions on the same rows, and the smallest loss that so many rows show.

Two models answer the same rows; each row is won (+1), lost (-1) or alike (0). Few rows differ, so a
bootstrap of them is too narrow, and where none differs it claims certainty. The adjusted Wald
interval adds one won and one lost row first (Bonett and Price, Adjusted Wald confidence interval
for a difference of binomial proportions based on paired data, J. Educ. Behav. Stat. 37, 2012).
Rows of one subject count as one draw: the variance is that of a ratio of subject totals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from math import ceil, nan, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tidemill.engine.statistics import Array, Interval

_MOST_ROWS = 20_000
TYPICAL_DISAGREEMENT = 0.1
"""Share of the rows on which two equally good models differ, where nothing is known of them."""


def paired_proportion_interval(
    differences: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """The mean of `differences`, each in -1..1, with its adjusted Wald interval; -1 to 1 without
    rows. `clusters` gives each row's subject."""
    if not differences:
        return Interval(nan, -1.0, 1.0, 0)
    rows = len(differences)
    value = sum(differences) / rows
    centre, error = _adjusted(differences, clusters)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Interval(value, min(low, value), max(high, value), rows)


def half_width_alike(units: int, confidence: float = 0.95) -> float:
    """Half of the interval of `units` rows of which none differs."""
    return NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(2) / (units + 2)


def smallest_margin(
    rows: int,
    *,
    disagreement: float = TYPICAL_DISAGREEMENT,
    power: float = 0.95,
    confidence: float = 0.95,
) -> float:
    """The margin, in hundredths, that an equally good model keeps within with probability `power`
    on so many paired rows: that quantile of the interval's lower bound, over all counts of rows
    won and lost."""
    from scipy.special import gammaln

    rows = max(1, min(rows, _MOST_ROWS))
    won, lost = np.meshgrid(*[_likely_counts(rows, disagreement / 2)] * 2, indexing="ij")
    alike = rows - won - lost
    possible = alike >= 0
    won, lost, alike = won[possible], lost[possible], alike[possible]
    logs = -gammaln(won + 1) - gammaln(lost + 1) - gammaln(alike + 1)
    logs += (won + lost) * np.log(disagreement / 2) + alike * np.log1p(-disagreement)
    probability = np.exp(logs - logs.max())
    low = _lower_bound(won, lost, rows, confidence)
    order = np.argsort(low)
    reached = np.searchsorted(np.cumsum(probability[order]) / probability.sum(), 1 - power)
    return min(1.0, max(0.01, ceil(-float(low[order][reached]) * 100 - 1e-9) / 100))


def _likely_counts(rows: int, share: float) -> npt.NDArray[np.float64]:
    """All counts within eight standard deviations of the expected one."""
    centre, spread = rows * share, 8 * sqrt(rows * share) + 8
    return np.arange(max(0, int(centre - spread)), min(rows, int(centre + spread)) + 1.0)


def _lower_bound(won: Array, lost: Array, rows: int, confidence: float) -> Array:
    """The adjusted Wald bound of rows without subjects."""
    mean = (won - lost) / (rows + 2)
    error = np.sqrt(((won + lost + 2) / (rows + 2) - mean**2) / (rows + 2))
    bound: Array = mean - NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return bound


def _adjusted(
    differences: Sequence[float], clusters: Sequence[Hashable] | None
) -> tuple[float, float]:
    """Mean and standard error with one row won and one lost beside the real ones."""
    totals: dict[Hashable, float] = defaultdict(float)
    sizes: dict[Hashable, int] = defaultdict(int)
    names: Sequence[Hashable] = clusters if clusters is not None else range(len(differences))
    for name, difference in zip(names, differences, strict=True):
        totals["real", name] += difference
        sizes["real", name] += 1
    for added in (1.0, -1.0):
        totals["added", added], sizes["added", added] = added, 1
    rows = sum(sizes.values())
    mean = sum(totals.values()) / rows
    squares = sum((totals[name] - mean * sizes[name]) ** 2 for name in totals)
    return mean, sqrt(squares) / rows
