"""The sign test is exact, and the bound on a fall is where Tango's score test turns."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from tidemill.engine.paired import fall_bound, sign_test, visible_fall


def outcomes(worse: int, better: int, rows: int) -> list[float]:
    return [1.0] * worse + [-1.0] * better + [0.0] * (rows - worse - better)


@pytest.mark.parametrize(("worse", "better"), [(9, 0), (3, 3), (50, 15), (0, 7)])
def test_the_sign_test_is_the_binomial_one(worse: int, better: int) -> None:
    exact = binomtest(worse, worse + better, 0.5, alternative="greater").pvalue

    assert sign_test(worse, better) == pytest.approx(exact)


def test_rows_that_all_stayed_the_same_show_nothing() -> None:
    assert sign_test(0, 0) == 1.0
    assert fall_bound([], 0.025) == float("-inf")


@pytest.mark.parametrize(("worse", "better", "rows"), [(12, 2, 50), (9, 0, 30), (50, 15, 480)])
def test_the_bound_is_where_the_score_test_with_the_likeliest_nuisance_turns(
    worse: int, better: int, rows: int
) -> None:
    bound = fall_bound(outcomes(worse, better, rows), 0.025)

    def against(share: float) -> float:
        rest = 1 - 2 * share - bound
        parts = [(worse, share + bound), (better, share), (rows - worse - better, rest)]
        return -sum(count * log(max(p, 1e-300)) for count, p in parts)

    limits = (1e-9, (1 - bound) / 2 - 1e-9)
    share = minimize_scalar(against, bounds=limits, method="bounded", options={"xatol": 1e-12}).x
    variance = rows * (2 * share + bound * (1 - bound))
    assert (worse - better - rows * bound) / sqrt(variance) == pytest.approx(1.96, abs=0.002)


@pytest.mark.parametrize(("rows", "margin", "level"), [(36, 0.02, 0.0125), (480, 0.02, 0.0125)])
def test_the_fewest_rows_that_show_a_fall_show_it_and_one_less_does_not(
    rows: int, margin: float, level: float
) -> None:
    fewest = visible_fall(rows, margin, level)
    assert fewest is not None

    shows = [
        sign_test(worse, 0) <= level and fall_bound(outcomes(worse, 0, rows), level) > margin
        for worse in (fewest - 1, fewest)
    ]
    assert shows == [False, True]
    assert visible_fall(4, 0.02, 0.0125) is None


def test_scores_that_are_no_counts_get_the_bootstraps_bound() -> None:
    falls = np.random.default_rng(0).normal(0.1, 0.1, 200).tolist()

    assert 0.08 < fall_bound(falls, 0.025) < sum(falls) / 200
    assert fall_bound(falls, 0.001) < fall_bound(falls, 0.025)
