"""How many ratings a margin needs: the confidence sequence, turned round."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.ratings_needed import RatingRate, format_days, ratings_needed, step_estimates
from tidemill.engine.sequential import FEWEST, half_width
from tidemill.spec.rollout import RatingQuality

MARGINS = st.floats(0.005, 0.3)
SHARES = st.integers(1, 99)
PERCENTS = (0, 10, 50, 100)
QUALITY = RatingQuality(margin=0.05)


def expected_half_width(
    n: int, variance: float, percent: float, alpha: float, expected: int
) -> float:
    share = percent / 100
    return half_width(n, variance / (share * (1 - share)) / n, alpha, expected)


@given(st.floats(0.01, 0.25), SHARES, MARGINS, st.floats(0.01, 0.2), st.integers(10, 100_000))
def test_that_many_ratings_are_enough_and_one_fewer_is_not(
    variance: float, percent: int, margin: float, alpha: float, expected: int
) -> None:
    found = ratings_needed(variance, percent, margin=margin, alpha=alpha, expected_ratings=expected)

    assert found is not None
    assert expected_half_width(found, variance, percent, alpha, expected) <= margin
    if found > ceil(FEWEST / min(percent / 100, 1 - percent / 100)):
        assert expected_half_width(found - 1, variance, percent, alpha, expected) > margin


def test_the_smaller_arm_needs_its_fewest_subjects_whatever_the_margin() -> None:
    found = ratings_needed(0.01, 1, margin=0.9, alpha=0.2, expected_ratings=10)

    assert found == 100 * FEWEST


@given(SHARES, MARGINS)
def test_an_uneven_split_never_needs_fewer(percent: int, margin: float) -> None:
    even = ratings_needed(0.25, 50, margin=margin, alpha=0.05, expected_ratings=1000)
    other = ratings_needed(0.25, percent, margin=margin, alpha=0.05, expected_ratings=1000)

    assert even is not None
    assert other is not None
    assert even <= other


@pytest.mark.parametrize(("margin", "percent"), [(0.0, 50), (0.1, 0), (0.1, 100), (1e-9, 50)])
def test_no_number_is_told_where_there_is_none(margin: float, percent: int) -> None:
    assert ratings_needed(0.25, percent, margin=margin, alpha=0.05, expected_ratings=1000) is None


def test_each_step_with_two_arms_has_its_number_and_its_days() -> None:
    tenth, half = step_estimates(PERCENTS, QUALITY, RatingRate(ratings=1000, days=10, mean=0.5))

    assert (tenth.percent, half.percent) == (10, 50)
    assert tenth.ratings is not None
    assert half.ratings is not None
    assert tenth.ratings > half.ratings
    assert half.days == pytest.approx(half.ratings / 100)


def test_without_ratings_the_number_is_the_most_it_can_be_and_no_days_are_told() -> None:
    unknown = step_estimates(PERCENTS, QUALITY, None)
    known = step_estimates(PERCENTS, QUALITY, RatingRate(ratings=5000, days=5, mean=0.9))

    assert [one.days for one in unknown] == [None, None]
    assert all(a.ratings > b.ratings for a, b in zip(unknown, known, strict=True))  # type: ignore[operator]


def test_ratings_that_were_all_alike_promise_no_certainty() -> None:
    found = step_estimates(PERCENTS, QUALITY, RatingRate(ratings=20, days=1, mean=1.0))

    assert all(one.ratings for one in found)


def test_a_rollout_that_no_rating_judges_waits_for_none() -> None:
    assert step_estimates(PERCENTS, None, None) == ()


@pytest.mark.parametrize(
    ("days", "said"), [(0.2, "less than a day"), (1, "about 1 day"), (11.2, "about 12 days")]
)
def test_days_are_whole(days: float, said: str) -> None:
    assert format_days(days) == said
