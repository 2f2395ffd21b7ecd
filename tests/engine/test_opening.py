"""First gates: guessing never passes, a good model can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tidemill.engine.statistics import wilson
from tidemill.init.default_gates import (
    GOOD,
    default_accuracy_gate,
    epochs,
    minimum_rows,
    overlap_gate,
)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=40))
def test_always_giving_the_commonest_label_never_passes(counts: list[int]) -> None:
    gate = default_accuracy_gate(counts)

    right = round(gate.majority_accuracy * gate.test_rows)
    assert wilson(right, gate.test_rows).low < gate.value <= 1


@given(st.lists(st.integers(1, 500), min_size=2, max_size=40))
def test_a_gate_that_says_it_is_reachable_is_passed_by_a_good_model(counts: list[int]) -> None:
    gate = default_accuracy_gate(counts)

    rows = gate.test_rows
    chances = binom.pmf(range(rows + 1), rows, GOOD)
    passes = [wilson(right, rows).low >= gate.value for right in range(rows + 1)]
    assert (sum(chances[passes]) >= 0.95 - 1e-9) == gate.reachable


def test_eight_even_labels_ask_for_more_than_a_third() -> None:
    gate = default_accuracy_gate([38] * 8)

    assert (gate.value, gate.majority_accuracy, gate.test_rows, gate.reachable) == (
        0.38,
        0.125,
        61,
        True,
    )


def test_too_few_uneven_rows_say_that_nothing_can_pass() -> None:
    assert not default_accuracy_gate([18, 2]).reachable


def test_no_rows_have_no_gate() -> None:
    with pytest.raises(ValueError, match="no rows"):
        default_accuracy_gate([])


@pytest.mark.parametrize(("constant", "gate"), [(0.0, 0.1), (0.22, 0.3), (1.0, 1.0)])
def test_an_overlap_gate_lies_above_the_best_single_answer(constant: float, gate: float) -> None:
    assert overlap_gate(constant) == gate


@pytest.mark.parametrize(("rows", "least"), [(1, 1), (20, 13), (304, 200), (10_000, 6660)])
def test_two_thirds_of_the_rows_have_to_stay(rows: int, least: int) -> None:
    assert minimum_rows(rows) == least


@pytest.mark.parametrize(("rows", "found"), [(10, 12), (500, 5), (100_000, 2)])
def test_small_data_is_passed_over_more_often(rows: int, found: int) -> None:
    assert epochs(rows, passes=2500, most=12) == found
