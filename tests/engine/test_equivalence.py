"""Hops are compared row by row; the one that changed most beyond the budget is guilty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.answer import Answer
from tidemill.engine.equivalence import Hop, compare, judge, reached, same, sized
from tidemill.metrics import Scored
from tidemill.spec.compression import Goal

A, B = Answer("on its way", "order"), Answer("on its way", "refund")


def scored(*answers: Answer, wanted: Answer = A) -> list[Scored]:
    return [Scored(wanted, answer) for answer in answers]


def hop(step: str, agreement: float | None, **loss: float) -> Hop:
    return Hop(step, "int8", 20, agreement, loss=loss)


def test_white_space_does_not_make_answers_differ() -> None:
    assert same(A, Answer(" on its  way\n", "order"))


@pytest.mark.parametrize("other", [B, Answer("lost", "order"), Answer("on its way")])
def test_another_label_or_text_makes_answers_differ(other: Answer) -> None:
    assert not same(A, other)


def test_a_hop_counts_agreement_labels_and_the_metric_lost() -> None:
    found = compare("quantise", "int8", scored(A, A, A, A), scored(A, A, B, B), ["accuracy"])

    assert (found.agreement, found.labels) == (0.5, 0.5)
    assert found.loss == {"accuracy": 0.5}


def test_a_hop_without_labels_has_no_share_of_labels() -> None:
    found = compare("merge", "merged", scored(Answer("x")), scored(Answer("x")), [])

    assert (found.agreement, found.labels) == (1.0, None)


def test_forms_that_answered_different_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="not the same rows"):
        compare("merge", "merged", scored(A), scored(A, A), [])


def test_the_worst_hop_beyond_the_budget_is_guilty() -> None:
    verdict = judge([hop("merge", 1.0), hop("prune", 0.2), hop("quantise", 0.8)], 0.9)

    assert verdict.guilty == "prune"
    assert verdict.message == (
        "'prune' changed the answers: 4 of 20 rows answered the same (20.0%), and min_agreement is "
        "90.0%; make that step milder, drop it, or lower equivalence.min_agreement"
    )


def test_a_hop_that_was_not_run_breaks_nothing() -> None:
    verdict = judge([hop("tensorrt-rtx", None)], 0.9)

    assert (verdict.passed, verdict.message) == (True, "0 hops checked; nothing was run")


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0, 1))
def test_a_chain_holds_exactly_where_every_hop_does(shares: list[float], least: float) -> None:
    verdict = judge([hop(str(i), share) for i, share in enumerate(shares)], least)

    assert verdict.passed == all(share >= least for share in shares)
    assert (verdict.guilty is None) == verdict.passed


@pytest.mark.parametrize(
    ("limit", "before", "after", "passed"),
    [
        ({"metric": "accuracy", "at_least": 0.9}, 0.0, 0.9, True),
        ({"metric": "accuracy", "max_degradation": 0.05}, 0.9, 0.8, False),
        ({"metric": "latency_p50", "at_most": 0.2}, 0.0, 0.3, False),
        ({"metric": "latency_p50", "max_degradation": 0.1}, 0.2, 0.25, True),
        ({"metric": "size", "max_ratio": 0.5}, 100.0, 40.0, True),
        ({"metric": "size", "max_ratio": 0.5}, 0.0, 40.0, False),
    ],
)
def test_a_goal_is_reached_or_not(
    limit: dict[str, object], before: float, after: float, passed: bool
) -> None:
    assert reached(Goal.model_validate(limit), before, after, []).passed is passed


def test_a_missed_goal_names_the_hop_that_lost_most() -> None:
    goal = Goal(metric="accuracy", max_degradation=0.01)
    found = reached(goal, 0.9, 0.7, [hop("merge", 1.0, accuracy=0.0), hop("x", 0.8, accuracy=0.2)])

    assert found.guilty == "x"
    assert found.message == (
        "accuracy is 0.7: 0.2 worse than before, at most 0.01 was asked; most of it in 'x'"
    )


def test_a_hop_knows_its_size_against_the_source() -> None:
    found = sized(hop("quantise", 1.0, accuracy=0.1), 25, 100.0, 2.0, "note")

    assert (found.ratio, found.record["accuracy lost"]) == (0.25, 0.1)
    assert sized(hop("x", 1.0), 25, 0.0, 0.0).ratio == 1.0
