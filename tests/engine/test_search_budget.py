"""A purse is asked before, and never holds less than nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.search_budget import Cost, Limits, SearchBudget
from tidemill.errors import OverBudget

COSTS = st.builds(
    Cost, calls=st.integers(0, 9), tokens=st.integers(0, 90), money=st.floats(0, 2, width=16)
)


@given(st.lists(st.tuples(COSTS, st.floats(0, 1))), COSTS)
def test_a_search_that_asks_first_never_exceeds_a_limit(
    asked: list[tuple[Cost, float]], kept: Cost
) -> None:
    limits = Limits(calls=20, tokens=200, money=3.0)
    purse = SearchBudget(limits).with_reserve(kept)
    for most, part in asked:
        try:
            purse.check(most)
        except OverBudget:
            continue
        real = Cost(int(most.calls * part), int(most.tokens * part), most.money * part)
        purse = purse.after(real)

    assert purse.spent.calls + (kept.calls if purse.spent.calls else 0) <= 20
    assert purse.spent.tokens <= 200
    assert purse.spent.money <= 3.0


def test_the_message_names_the_limit_and_what_is_kept_back() -> None:
    purse = SearchBudget(Limits(calls=100)).after(Cost(calls=60)).with_reserve(Cost(calls=40))

    with pytest.raises(
        OverBudget, match=r"\(calls: 60 of 100 spent, 40 reserved for the final comparison\)"
    ):
        purse.check(Cost(calls=1))


def test_no_limit_is_no_limit() -> None:
    assert SearchBudget(Limits()).exceeded_limit(Cost(10**9, 10**12, 1e6, 1e9)) == ""
