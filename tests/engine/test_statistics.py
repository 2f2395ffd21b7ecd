"""Intervals against known figures, and what has to hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.statistics import (
    Interval,
    bootstrap_of,
    clopper_pearson,
    combined_statistic,
    mean_of,
    paired_difference,
    quantile_interval,
    quantile_of,
    wilson,
)


def bootstrap(values: Sequence[float], **options: Any) -> Interval:
    """The interval of a mean."""
    return bootstrap_of(mean_of(values), len(values), **options)


def test_wilson_gives_the_textbook_interval() -> None:
    found = wilson(81, 100)

    assert (found.low, found.high) == pytest.approx((0.7222, 0.8749), abs=2e-4)


def test_wilson_does_not_claim_certainty_for_a_perfect_score() -> None:
    assert wilson(20, 20).low == pytest.approx(0.8389, abs=1e-4)


def test_wilson_knows_nothing_without_observations() -> None:
    found = wilson(0, 0)

    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.95, 100), (0.95, 400)])
def test_each_bound_of_a_quantile_is_missed_as_rarely_as_it_says(q: float, n: int) -> None:
    """Log-normal latencies; the quantile of the exponential of a normal is that of the normal."""
    rng, truth, runs = np.random.default_rng(3), NormalDist().inv_cdf(q), 2000
    found = [quantile_interval(np.sort(rng.normal(size=n)), q) for _ in range(runs)]
    below, above = (
        sum(missed) / runs
        for missed in zip(*((one.low > truth, one.high < truth) for one in found), strict=True)
    )

    assert max(below, above) <= 0.025 + 3 * (0.025 * 0.975 / runs) ** 0.5
    assert all(one.low <= one.value <= one.high for one in found)


def test_a_bound_that_too_few_values_cannot_give_is_infinite() -> None:
    """All of 72 values lie below their p95 with a chance of 0.0249."""
    assert quantile_interval(range(71), 0.95).high == np.inf
    assert quantile_interval(range(72), 0.95).high == 71
    assert quantile_interval(range(5), 0.5).low == -np.inf
    assert quantile_interval([], 0.5).rows == 0


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_value_and_stays_in_range(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    found = wilson(k, n)

    assert 0 <= found.low <= k / n <= found.high <= 1


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 2), (18, 24), (24, 24), (900, 1000)])
def test_the_exact_interval_agrees_with_scipy(k: int, n: int) -> None:
    from scipy.stats import binomtest

    found, theirs = clopper_pearson(k, n), binomtest(k, n).proportion_ci(method="exact")

    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_exact_interval_knows_nothing_without_observations() -> None:
    assert (clopper_pearson(0, 0).low, clopper_pearson(0, 0).high) == (0.0, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_a_bootstrap_holds_its_value_and_repeats_under_its_seed(
    values: list[float], seed: int
) -> None:
    found = bootstrap(values, seed=seed, bounded=True)

    assert found.low <= found.value <= found.high
    assert found == bootstrap(values, seed=seed, bounded=True)


def test_more_rows_make_a_narrower_interval() -> None:
    rng = np.random.default_rng(0)
    few, many = (bootstrap(list(rng.random(n))) for n in (20, 500))

    assert many.high - many.low < (few.high - few.low) / 2


def test_bca_leans_towards_the_long_tail_of_skewed_rows() -> None:
    values = list(np.random.default_rng(1).exponential(size=40))
    bca = bootstrap_of(mean_of(values), 40)
    plain = bootstrap_of(mean_of(values), 40, method="percentile")

    assert bca.high > plain.high
    assert bca.low > plain.low


def test_bca_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap as theirs

    values = np.random.default_rng(2).exponential(size=60)
    found = bootstrap(list(values))
    other = theirs((values,), np.mean, n_resamples=4000, rng=np.random.default_rng(5))
    low, high = other.confidence_interval

    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.05)


def test_rows_that_are_all_alike_do_not_make_certainty() -> None:
    assert bootstrap([1.0] * 10, bounded=True).low == pytest.approx(wilson(10, 10).low)


def test_rows_of_one_subject_count_as_one_draw() -> None:
    values = [float(i % 2) for i in range(20) for _ in range(10)]
    subjects = [i for i in range(20) for _ in range(10)]
    rows, clustered = bootstrap(values), bootstrap(values, clusters=subjects)

    assert clustered.high - clustered.low > 2 * (rows.high - rows.low)


def test_pairing_by_row_finds_a_small_steady_gain() -> None:
    rng = np.random.default_rng(0)
    base = list(rng.random(100))
    better = [value + 0.02 for value in base[:-1]] + [base[-1] + 0.021]

    gain = bootstrap_of(paired_difference(mean_of(better), mean_of(base)), 100)

    assert gain.low > 0.015
    assert bootstrap(better).low < bootstrap(base).high


def test_a_median_is_bootstrapped_by_rows() -> None:
    found = bootstrap_of(quantile_of([1.0, 2.0, 3.0, 4.0, 100.0], 0.5), 5, method="percentile")

    assert found.value == 3.0
    assert found.low >= 1.0
    assert found.high <= 100.0


@pytest.mark.parametrize("kind", ["wilson", "bootstrap"])
def test_intervals_cover_the_truth_as_often_as_they_say(kind: str) -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for seed in range(150):
        draws = (rng.random(60) < 0.8).astype(float)
        found = wilson(draws.sum(), 60) if kind == "wilson" else bootstrap(list(draws), seed=seed)
        hits += found.low <= 0.8 <= found.high

    assert hits / 150 > 0.89


def test_without_rows_a_bootstrap_knows_nothing() -> None:
    found = bootstrap([])

    assert (found.low, found.high, found.rows) == (-np.inf, np.inf, 0)


def test_a_ratio_of_sums_and_a_paired_difference_are_statistics_too() -> None:
    sums = np.array([[10.0, 1.0], [30.0, 2.0], [20.0, 4.0]])
    rate = combined_statistic(sums, lambda total: total[..., 0] / total[..., 1])
    found = bootstrap_of(rate, 3)
    apart = bootstrap_of(paired_difference(rate, rate), 3)

    assert found.value == pytest.approx(60 / 7)
    assert (apart.low, apart.high) == (0, 0)


def test_two_rows_are_too_few_to_know_their_skew() -> None:
    found = bootstrap([0.0, 1.0])

    assert (found.low, found.high) == (0.0, 1.0)


def test_a_value_at_the_edge_of_its_draws_keeps_plain_percentiles() -> None:
    largest = bootstrap_of(quantile_of([1.0, 2.0, 3.0], 1.0), 3)
    smallest = bootstrap_of(lambda weights: weights.max(axis=1), 30)

    assert largest.high == 3.0
    assert smallest.low == smallest.value == 1.0


def test_a_skewed_mean_has_the_published_method_s_bounds() -> None:
    skewed = [0.68, 1.02, 0.02, 0.0, 0.55, 1.63, 0.67, 0.76, 2.82, 6.06, 3.29, 0.0, 2.27, 0.07]
    skewed += [1.07, 0.85, 3.15, 0.35, 0.31, 1.49, 0.04, 0.14, 1.03, 0.77, 1.74, 0.41, 0.45, 1.85]
    skewed += [1.73, 0.32]
    found = bootstrap_of(mean_of(skewed), len(skewed), resamples=40_000)

    # scipy 1.17, stats.bootstrap(method="BCa"), 400,000 resamples; its percentiles: 0.767, 1.685
    assert (found.low, found.high) == pytest.approx((0.823, 1.799), abs=0.02)


def test_rows_that_are_all_alike_are_worth_as_much_as_their_subjects() -> None:
    found = bootstrap([1.0] * 60, clusters=[n % 6 for n in range(60)], bounded=True)

    assert found.low == wilson(6, 6).low
