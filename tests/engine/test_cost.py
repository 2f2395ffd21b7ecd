"""What assets will take: from their past, from their kind's, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.cost import (
    BudgetLimits,
    BuildCost,
    Estimate,
    Spread,
    Workload,
    budget_excess,
    estimate,
    total,
    weighted_spread,
)

TUNE = Workload("shop", "tune", "FineTune")
RUNS = st.lists(
    st.builds(
        BuildCost,
        st.just("shop"),
        st.sampled_from(["tune", "other"]),
        st.just("FineTune"),
        st.floats(1, 1e5),
        st.integers(0, 1 << 35),
        st.none() | st.integers(1, 10_000),
    ),
    min_size=1,
)


def made(seconds: float, **changes: Any) -> BuildCost:
    fields: dict[str, Any] = {"project": "shop", "name": "tune", "kind": "FineTune"}
    return BuildCost(**{**fields, "seconds": seconds, **changes})


def expected(wanted: Workload, *past: BuildCost, price: float | None = None) -> Estimate:
    found = estimate(wanted, past, price)
    assert found is not None
    return found


def test_without_a_past_there_is_no_number() -> None:
    assert estimate(TUNE, []) is None
    assert estimate(TUNE, [made(10, kind="Dataset")]) is None
    assert total([]) is None


def test_a_reused_artefact_is_no_past() -> None:
    assert estimate(TUNE, [made(0.0)]) is None


def test_the_assets_own_past_wins_over_its_kinds() -> None:
    found = expected(TUNE, made(100), made(7, name="other"))

    assert (found.seconds.median, found.runs, found.basis) == (100, 1, "asset")


def test_without_one_of_its_own_its_kind_speaks_and_says_so() -> None:
    found = expected(TUNE, made(7, name="other"), made(9, name="third"))

    assert (found.seconds.median, found.runs, found.basis) == (7, 2, "kind")


def test_twice_the_rows_take_twice_the_time_and_a_model_does_not_grow() -> None:
    wanted = Workload("shop", "tune", "FineTune", rows=200)
    model = Workload("shop", "tune", "Model", rows=200)

    assert expected(wanted, made(60, rows=100)).seconds.median == 120
    assert expected(model, made(60, rows=100, kind="Model")).seconds.median == 60


def test_more_work_per_row_counts_against_its_own_past_only() -> None:
    wanted = Workload("shop", "tune", "FineTune", epoch_factor=2)

    assert expected(wanted, made(60)).seconds.median == 120
    assert expected(wanted, made(60, name="other")).seconds.median == 60


def test_a_run_of_another_order_of_magnitude_says_nothing() -> None:
    assert estimate(Workload("shop", "tune", "FineTune", rows=10_000), [made(1, rows=2)]) is None


def test_runs_of_a_similar_size_weigh_more() -> None:
    wanted = Workload("shop", "tune", "FineTune", rows=100)
    far = [made(400, rows=10, name="a"), made(410, rows=10, name="b")]
    near = [made(50, rows=100, name="c"), made(52, rows=101, name="d")]

    assert expected(wanted, *far, *near).seconds.median < 60


def test_memory_and_money_come_only_where_they_are_known() -> None:
    plain = expected(TUNE, made(3600))
    rich = expected(TUNE, made(3600, peak_bytes=1 << 30), price=2.5)

    assert plain.memory is None
    assert plain.money is None
    assert rich.memory == Spread(1 << 30, 1 << 30, 1 << 30)
    assert rich.money is not None
    assert rich.money.median == pytest.approx(2.5)


def test_a_total_adds_time_and_money_and_takes_the_largest_memory() -> None:
    one = expected(TUNE, made(60, peak_bytes=5), price=60)
    other = expected(TUNE, made(120, peak_bytes=9), price=60)
    bare = expected(TUNE, made(1))

    found = total([one, other, bare])

    assert found is not None
    assert (found.seconds.median, found.runs) == (181, 3)
    assert found.memory == Spread(9, 9, 9)
    assert found.money is not None
    assert found.money.median == pytest.approx(3)


def test_a_budget_is_exceeded_by_the_median_and_says_by_how_much() -> None:
    wanted = Workload("shop", "tune", "FineTune", budget=BudgetLimits(1.0, 5.0))
    found = budget_excess(wanted, expected(TUNE, made(7200), price=10))

    assert [(one.budget, one.limit, one.expected, one.excess) for one in found] == [
        ("hours", 1.0, 2.0, 1.0),
        ("money", 5.0, 20.0, 15.0),
    ]


def test_a_budget_that_is_kept_or_cannot_be_judged_is_no_excess() -> None:
    wanted = Workload("shop", "tune", "FineTune", budget=BudgetLimits(2.0, 1.0))

    assert budget_excess(wanted, expected(TUNE, made(3600))) == ()  # no price, so no money
    assert budget_excess(wanted, None) == ()
    assert budget_excess(wanted, expected(TUNE, made(7200))) == ()  # all of it, and no more
    assert budget_excess(TUNE, expected(TUNE, made(1e9))) == ()


@given(RUNS)
def test_the_spread_lies_within_the_past_and_in_order(past: list[BuildCost]) -> None:
    found = estimate(TUNE, past)

    assert found is not None
    times = [one.seconds for one in past]
    low, median, high = found.seconds.low, found.seconds.median, found.seconds.high
    assert min(times) <= low <= median <= high <= max(times)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 10))
def test_equal_weights_give_the_same_percentiles_whatever_they_are(
    values: list[float], weight: float
) -> None:
    assert weighted_spread(values, [weight] * len(values)) == weighted_spread(
        values, [1.0] * len(values)
    )
