"""The confidence sequence: its formula, its verdicts, and the false alarms it does not raise."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.sequential import (
    FEWEST,
    SubjectRatings,
    classify,
    compare,
    half_width,
    rating_difference,
    sample_ratio_test,
)


def ratings(good_live: float, good_new: float, n: int, seed: int = 0) -> list[SubjectRatings]:
    rng = np.random.default_rng(seed)
    return [
        SubjectRatings(f"{arm}{i}", arm == "new", 1, float(rng.random() < p))
        for arm, p in (("live", good_live), ("new", good_new))
        for i in range(n)
    ]


def test_the_bound_is_the_formula_of_the_design() -> None:
    n, variance, alpha, s = 400, 0.0012, 0.05, 1000
    s2 = n * variance
    v = n * s2
    level = log(1 / alpha)
    rho = s * s2 / (2 * level + log(1 + 2 * level))
    wanted = sqrt((v + rho) * log((v + rho) / (rho * alpha**2))) / n

    assert half_width(n, variance, alpha, s) == pytest.approx(wanted)


def test_without_ratings_of_both_arms_nothing_is_known() -> None:
    only_live = [SubjectRatings("a", False, 5, 5.0)]
    found = compare(only_live, margin=0.02, alpha=0.05, expected_ratings=100)

    assert half_width(0, 0.0, 0.05, 100) == inf
    assert (found.finding, found.low, found.high) == ("inconclusive", -1.0, 1.0)


def test_the_difference_is_that_of_the_means_and_its_variance_that_of_two_samples() -> None:
    rated = ratings(0.8, 0.6, 500)
    live, new = ([r.total for r in rated if r.candidate is arm] for arm in (False, True))
    d, variance, n = rating_difference(rated)

    assert d == pytest.approx(np.mean(new) - np.mean(live))
    assert variance == pytest.approx(np.var(new) / 500 + np.var(live) / 500, rel=0.01)
    assert n == 1000


def test_the_variance_of_few_subjects_is_the_unbiased_one() -> None:
    rated = [
        SubjectRatings(f"{arm}{i}", arm == "c", 1, float(i % 2)) for arm in "lc" for i in range(2)
    ]
    imagined = 2 * (0.5**2 + 0.5**2) / 4**2

    assert rating_difference(rated)[1] - imagined == pytest.approx(4 * 0.25**2 * 4 / 3)


def test_many_ratings_of_one_subject_do_not_count_as_many_subjects() -> None:
    few = [SubjectRatings(f"l{i}", False, 1, i % 2) for i in range(40)]
    few += [SubjectRatings(f"c{i}", True, 1, i % 2) for i in range(40)]
    loud = [SubjectRatings(r.subject, r.candidate, 50, 50 * r.total) for r in few]

    assert rating_difference(loud)[1] == pytest.approx(rating_difference(few)[1])


def test_a_change_of_mood_between_two_steps_is_not_a_change_of_model() -> None:
    first = [SubjectRatings(f"l{i}", False, 1, 1.0, 0) for i in range(90)]
    first += [SubjectRatings(f"c{i}", True, 1, 1.0, 0) for i in range(10)]
    second = [SubjectRatings(f"L{i}", False, 1, 0.0, 1) for i in range(50)]
    second += [SubjectRatings(f"C{i}", True, 1, 0.0, 1) for i in range(50)]

    assert rating_difference([*first, *second])[0] == 0.0


def test_a_step_with_one_arm_only_says_nothing_about_the_difference() -> None:
    both = ratings(0.7, 0.7, 50)
    alone = [SubjectRatings(f"x{i}", True, 1, 0.0, 3) for i in range(50)]
    alone += [SubjectRatings("silent", False, 0, 0.0, 3)]

    assert rating_difference([*both, *alone]) == rating_difference(both)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.3, -0.1, "harm"),
        (0.01, 0.2, "better"),
        (-0.01, 0.2, "no worse"),
        (-0.1, 0.1, "inconclusive"),
        (-0.1, -0.01, "inconclusive"),
    ],
)
def test_the_bounds_make_the_verdict(low: float, high: float, said: str) -> None:
    assert classify(low, high, 0.02) == said


def test_a_much_worse_candidate_is_found_out_and_a_much_better_one_too() -> None:
    known = {"margin": 0.02, "alpha": 0.05, "expected_ratings": 400}

    assert compare(ratings(0.9, 0.5, 300), **known).finding == "harm"
    assert compare(ratings(0.5, 0.9, 300), **known).finding == "better"


def test_ratings_that_are_all_alike_still_decide() -> None:
    rated = [SubjectRatings(f"l{i}", False, 1, 1.0) for i in range(200)]
    rated += [SubjectRatings(f"c{i}", True, 1, 0.0) for i in range(200)]

    found = compare(rated, margin=0.02, alpha=0.05, expected_ratings=200)

    assert found.finding == "harm"


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.001, 0.2))
def test_the_interval_is_wider_the_fewer_false_alarms_are_allowed(
    n: int, s: int, alpha: float
) -> None:
    assert half_width(n, 1 / n, alpha / 2, s) > half_width(n, 1 / n, alpha, s)


def test_identical_arms_raise_no_more_false_alarms_than_alpha_at_any_look() -> None:
    rng = np.random.default_rng(11)
    runs, looks, step = 400, 40, 50
    good = (rng.random((2, runs, looks * step)) < 0.8).cumsum(axis=2)[:, :, step - 1 :: step]
    counts = np.arange(1, looks + 1) * step
    means = good / counts
    alarms = np.zeros(runs, dtype=bool)
    naive = np.zeros(runs, dtype=bool)
    for run in range(runs):
        for at, n in enumerate(counts):
            live, new = means[0, run, at], means[1, run, at]
            variance = (live * (1 - live) + new * (1 - new)) / n
            apart = abs(new - live)
            alarms[run] |= apart > half_width(2 * n, variance, 0.05, 1000)
            naive[run] |= apart > 1.96 * sqrt(variance)

    assert alarms.mean() <= 0.05
    assert naive.mean() > 0.2


def test_the_first_looks_of_a_small_arm_raise_no_more_false_alarms_either() -> None:
    rng = np.random.default_rng(5)
    runs, alarms = 120, 0
    for _ in range(runs):
        new, good = rng.random(240) < 0.1, rng.random(240) < 0.7
        rated = [SubjectRatings(f"s{i}", bool(new[i]), 1, float(good[i])) for i in range(240)]
        looks = (
            compare(rated[:n], margin=0.0, alpha=0.05, expected_ratings=1000)
            for n in range(2, 241, 3)
        )
        alarms += any(one.finding in ("harm", "better") for one in looks)

    assert alarms / runs <= 0.05


@pytest.mark.parametrize("subjects", [1, FEWEST - 1])
def test_a_few_bad_ratings_of_the_candidate_are_no_harm_yet(subjects: int) -> None:
    rated = [SubjectRatings(f"l{i}", False, 1, float(i % 10 > 1)) for i in range(200)]
    rated += [SubjectRatings(f"c{i}", True, 3, 0.0) for i in range(subjects)]
    found = compare(rated, margin=0.02, alpha=0.05, expected_ratings=400)
    more = [*rated, *(SubjectRatings(f"C{i}", True, 3, 0.0) for i in range(20))]

    assert (found.finding, found.low, found.high) == ("inconclusive", -1.0, 1.0)
    assert compare(more, margin=0.02, alpha=0.05, expected_ratings=400).finding == "harm"


def test_an_arm_whose_few_ratings_are_all_alike_is_not_taken_for_certain() -> None:
    live = [SubjectRatings(f"l{i}", False, 1, float(i % 10 > 2)) for i in range(200)]
    alike = [SubjectRatings(f"c{i}", True, 1, 1.0) for i in range(12)]
    spread = [SubjectRatings(f"c{i}", True, 1, float(i > 0)) for i in range(12)]

    assert rating_difference([*live, *alike])[1] > rating_difference([*live, *spread])[1] / 3


def test_a_split_as_it_was_set_is_sound() -> None:
    assert sample_ratio_test(9010, 990, 10).sound
    assert sample_ratio_test(0, 0, 10).sound
    assert sample_ratio_test(0, 500, 100).sound


def test_a_skewed_split_is_found() -> None:
    found = sample_ratio_test(9300, 700, 10)

    assert not found.sound
    assert found.p < 0.001
    assert sample_ratio_test(9000 - 90, 1000 + 90, 10).p == pytest.approx(0.0027, abs=1e-4)
    assert sample_ratio_test(9000 - 90, 1000 + 90, 10).sound
    assert found.observed == pytest.approx(0.07)
