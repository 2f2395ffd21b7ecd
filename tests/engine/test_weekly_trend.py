"""A trend is exact, or it says that there are too few."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tidemill.engine.weekly_trend import weekly_trend

EVEN = [1000] * 8


def test_a_steady_share_has_a_trend_around_one_whatever_the_traffic_does() -> None:
    traffic = [100, 200, 400, 800]
    trend = weekly_trend([10, 20, 40, 80], traffic)

    assert trend is not None
    assert trend.factor == pytest.approx(1.0, abs=1e-6)
    assert trend.low < 1 < trend.high


def test_a_failure_that_doubles_each_week_is_seen() -> None:
    trend = weekly_trend([3, 6, 12, 24], [500] * 4)

    assert trend is not None
    assert trend.factor == pytest.approx(2.0, abs=1e-6)
    assert 1 < trend.low < 2 < trend.high


@pytest.mark.parametrize(
    "affected",
    [[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 17]],
    ids=["none", "one", "two", "all in the last week"],
)
def test_a_handful_is_too_few_to_say(affected: list[int]) -> None:
    assert weekly_trend(affected, [500] * 4) is None


def test_how_many_are_enough_depends_on_the_weeks_and_not_on_what_they_show() -> None:
    assert weekly_trend([5, 5, 5, 3], [500] * 4) is None
    assert weekly_trend([5, 5, 5, 4], [500] * 4) is not None
    assert weekly_trend([0, 0, 0, 0, 0, 0, 0, 5], EVEN) is not None


def test_one_week_of_traffic_has_no_trend_and_what_only_the_last_week_has_no_upper_bound() -> None:
    trend = weekly_trend([0, 0, 0, 20], [500] * 4)

    assert weekly_trend([0, 0, 0, 20], [0, 0, 0, 500]) is None
    assert trend is not None
    assert (trend.factor, trend.high) == (inf, inf)
    assert trend.low > 2


def test_two_weeks_are_the_exact_interval_of_a_share() -> None:
    """Of two weeks the later one's count is binomial: the bounds are Clopper and Pearson's."""
    trend = weekly_trend([40, 60], [100, 100])
    assert trend is not None
    low, high = (bound / (1 + bound) for bound in (trend.low, trend.high))

    assert binom.sf(59, 100, low) == pytest.approx(0.025, abs=1e-6)
    assert binom.cdf(60, 100, high) == pytest.approx(0.025, abs=1e-6)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=10))
def test_the_bounds_enclose_the_estimate_and_turn_round_with_time(affected: list[int]) -> None:
    traffic = [1000] * len(affected)
    trend, back = weekly_trend(affected, traffic), weekly_trend(affected[::-1], traffic)

    assert (trend is None) == (back is None)
    if trend is not None and back is not None:
        assert trend.low <= trend.factor <= trend.high
        if 0 < trend.factor < inf:
            assert back.factor == pytest.approx(1 / trend.factor, rel=1e-3)


@pytest.mark.parametrize("mean", [0.7, 3.0], ids=["few", "many"])
def test_the_intervals_that_are_shown_cover_the_truth_as_often_as_they_say(mean: float) -> None:
    draw = np.random.default_rng(11)
    covered = counted = 0
    for _ in range(300):
        factor = float(draw.choice([0.8, 1.0, 1.3]))
        affected = draw.poisson([mean * factor**week for week in range(8)])
        trend = weekly_trend([int(n) for n in affected], EVEN)
        if trend is not None:
            counted += 1
            covered += trend.low <= factor <= trend.high

    assert counted > 150
    assert covered / counted >= 0.93  # 0.95, less what 300 draws leave open
