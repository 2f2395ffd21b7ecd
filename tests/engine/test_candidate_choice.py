"""The cheapest candidate that surely passes is taken, or the best where none does."""

from __future__ import annotations

import pytest

from tidemill.engine.candidate_choice import (
    CandidateResult,
    choose_candidate,
    expected_cost,
    passes,
)
from tidemill.engine.statistics import Interval


def tried(name: str, value: float | None, margin: float = 0.1) -> CandidateResult:
    bounds = None if value is None else Interval(value, value - margin, value + margin, 100)
    return CandidateResult(name, bounds, 1.0)


def names(found: CandidateResult | None) -> str:
    return found.name if found else ""


@pytest.mark.parametrize(
    ("values", "at_least", "chosen"),
    [
        ([0.7, 0.95, 0.99], 0.8, "1"),
        ([0.7, 0.85, 0.75], 0.8, "1"),
        ([0.95, 0.99, 0.9], 0.8, "0"),
        ([0.7, 0.9, 0.95], None, "2"),
        ([0.9, 0.9, 0.9], None, "0"),
        ([None, 0.4, None], None, "1"),
        ([None, None, None], 0.1, ""),
    ],
    ids=["first that passes", "none passes", "the cheapest", "best", "a tie", "diverged", "all"],
)
def test_the_first_that_passes_or_the_best_is_taken(
    values: list[float | None], at_least: float | None, chosen: str
) -> None:
    results = [tried(str(place), value) for place, value in enumerate(values)]

    assert names(choose_candidate(results, at_least, "higher")) == chosen


def test_a_bound_passes_not_a_value_and_less_may_be_better() -> None:
    assert not passes(tried("a", 0.85), 0.8, "higher")
    assert passes(tried("a", 0.95), 0.8, "higher")
    assert passes(tried("a", 0.1), 0.25, "lower")
    assert not passes(tried("a", 0.2), 0.25, "lower")
    assert names(choose_candidate([tried("a", 0.5), tried("b", 0.4)], None, "lower")) == "b"


def test_a_head_is_cheaper_than_an_epoch_and_a_small_base_than_a_large_one() -> None:
    head = expected_cost(100, takes_steps=False, epochs=9)

    assert head < expected_cost(100, takes_steps=True, epochs=1)
    assert expected_cost(100, takes_steps=True, epochs=2) < expected_cost(
        900, takes_steps=False, epochs=1
    )
