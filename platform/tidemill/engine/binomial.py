"""Binomial probabilities, in logarithms so that thousands of trials do not underflow."""

from __future__ import annotations

from math import log, log1p

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def log_probabilities(n: int, p: float) -> Array:
    """Log-probabilities of 0 to n successes of n, 0 < p < 1."""
    counts = np.arange(n + 1)
    values: Array = _log_ways(n) + counts * log(p) + (n - counts) * log1p(-p)
    return values


def _log_ways(n: int) -> Array:
    """Logarithms of the numbers of ways to choose 0 to n of n."""
    counts = np.arange(1, n + 1)
    ways: Array = np.concatenate([[0.0], np.cumsum(np.log((n + 1 - counts) / counts))])
    return ways


def share_of_tail(k: int, n: int, tail: float) -> float:
    """The p at which at most k of n successes have probability `tail`."""
    from scipy.special import betaincinv

    return float(betaincinv(k + 1, n - k, 1 - tail))
