"""Metrics of rankings, with values worked out by hand."""

from __future__ import annotations

from math import log2

import pytest

from tidemill.answer import Answer
from tidemill.engine.estimate import estimate, gain
from tidemill.metrics import Scored, measure

ITEMS = tuple(f"i{number}" for number in range(1, 21))


def at(place: int | None, candidates: int = 40) -> Scored:
    """An answer whose wanted item stands at a place."""
    wanted = f"i{place}" if place else "elsewhere"
    return Scored(Answer(wanted, wanted), Answer("", "i1", ranking=ITEMS, candidates=candidates))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ndcg_at_10", (1 + 1 / log2(4) + 1 / log2(11)) / 5),
        ("recall_at_10", 3 / 5),
        ("mrr", (1 + 1 / 3 + 1 / 10 + 1 / 11) / 5),
    ],
)
def test_a_higher_place_is_worth_more(metric: str, expected: float) -> None:
    answers = [at(1), at(3), at(10), at(11), at(None)]

    assert measure(metric, answers) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["ndcg_at_10", "recall_at_10", "mrr"])
def test_each_row_has_a_value_and_the_mean_an_interval(metric: str) -> None:
    found = estimate(metric, [at(1), at(None)] * 30)

    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high


def test_coverage_is_the_share_of_the_catalogue_that_is_shown_and_no_estimate() -> None:
    other = Scored(Answer("x", "x"), Answer("", "z1", ranking=("z1", "i1"), candidates=40))
    found = estimate("coverage_at_10", [at(1), at(2), other])

    assert (found.low, found.value, found.high) == (11 / 40, 11 / 40, 11 / 40)
    assert gain("coverage_at_10", [other], [at(1)]).value == pytest.approx((2 - 10) / 40)


def test_an_answer_without_a_ranking_is_a_ranking_of_its_label() -> None:
    right = Scored(Answer("a", "a"), Answer("a", "a"))

    assert [measure(name, [right]) for name in ("ndcg_at_10", "recall_at_10", "mrr")] == [1, 1, 1]
