"""Counts of items and pairs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.data.item_counts import (
    DEPTH,
    SparseRows,
    count_pairs,
    count_visits,
    rank_items,
    recency_weights,
)

PLACE = {"a": 0, "b": 1, "c": 2}
VISITS = [["a", "b", "c"], ["a", "b"], ["b", "gone", "b"]]


def dense(rows: SparseRows) -> list[list[float]]:
    return [rows.weighted_sum([row], [1.0]).round(4).tolist() for row in range(3)]


def test_an_item_counts_once_a_visit() -> None:
    assert count_visits(VISITS, PLACE).tolist() == [2, 3, 1]


def test_pairs_count_both_ways_without_an_order() -> None:
    assert dense(count_pairs(VISITS, PLACE)) == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]


def test_with_an_order_only_what_came_later_counts_and_less_further_on() -> None:
    assert dense(count_pairs(VISITS, PLACE, spacing=0.5)) == [[0, 2, 0.5], [0, 0, 1], [0, 0, 0]]


def test_the_cosine_is_the_count_over_the_root_of_both() -> None:
    cosine = count_pairs(VISITS, PLACE).cosine(count_visits(VISITS, PLACE))

    assert dense(cosine)[0] == pytest.approx([0, 2 / 6**0.5, 1 / 2**0.5], abs=1e-4)


def test_older_items_weigh_less() -> None:
    assert recency_weights(3, 0.5) == [0.25, 0.5, 1.0]
    assert count_pairs(VISITS, PLACE).weighted_sum([0, 2], [0.5, 1.0]).tolist() == [1, 2, 0.5]


def test_a_ranking_leaves_out_the_history_and_keeps_ties_in_order() -> None:
    answer = rank_items(np.array([1.0, 3.0, 1.0]), ["b"], ["a", "b", "c"])

    assert answer.ranking == ("a", "c")
    assert (answer.label, answer.candidates) == ("a", 3)


def test_a_ranking_has_a_hundred_places_at_most() -> None:
    items = [str(number) for number in range(300)]
    answer = rank_items(np.arange(300.0), items[250:], items)

    assert len(answer.ranking) == DEPTH == 100
    assert answer.ranking[0] == "249"


def test_who_has_had_everything_is_recommended_nothing() -> None:
    answer = rank_items(np.ones(2), ["a", "b"], ["a", "b"])

    assert (answer.ranking, answer.label) == ((), None)
