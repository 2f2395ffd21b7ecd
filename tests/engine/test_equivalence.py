"""A hop is judged by what the task is about, and refused only where the bound says so."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from tidemill.answer import Answer
from tidemill.engine.compression_goal import check_goal
from tidemill.engine.concordance import ANSWER, LABEL, TEXT, detectable, rows_needed
from tidemill.engine.equivalence import (
    HopComparison,
    compare,
    judge,
    not_run,
    with_size,
)
from tidemill.engine.statistics import clopper_pearson
from tidemill.metrics import Scored
from tidemill.spec.compression import Goal

A, B = Answer("on its way", "order"), Answer("on its way", "refund")


def scored(*answers: Answer, wanted: Answer = A) -> list[Scored]:
    return [Scored(wanted, answer) for answer in answers]


def hop(step: str, agreement: float | None, rows: int = 20, **loss: float) -> HopComparison:
    bounds = clopper_pearson(round((agreement or 0) * rows), rows)
    return HopComparison(step, "int8", rows, agreement, bounds.low, bounds.high, loss=loss)


def broken(rows: int, share: float, basis: str, seed: int = 0) -> HopComparison:
    """A hop after which a share of the rows, drawn at random, is answered with something else."""
    draw = random.Random(seed)
    before, after = [], []
    for number in range(rows):
        wanted = Answer(f"your order {number} is on its way to you", "order")
        wrong = draw.random() < share
        before.append(Scored(wanted, wanted))
        after.append(Scored(wanted, Answer("no idea", "other") if wrong else wanted))
    return compare("planted", "int8", before, after, ["rouge_l"], basis)


def test_words_are_counted_but_only_labels_are_judged() -> None:
    found = compare("x", "int8", scored(A, A), scored(Answer("nearly there", "order"), A), [])

    assert (found.basis, found.agreement, found.texts) == (LABEL, 1.0, 0.5)


def test_rows_that_neither_form_labelled_are_left_out() -> None:
    silent = Answer("hm")
    found = compare("x", "int8", scored(A, silent, A), scored(A, silent, silent), [])

    assert (found.rows, found.agreement) == (2, 0.5)


def test_data_is_compared_as_it_was_parsed() -> None:
    one, other = Answer('{"a": 1}'), Answer('{"a": 2}')
    found = compare("x", "int8", scored(one, one), scored(one, other), [], ANSWER)

    assert (found.basis, found.agreement) == (ANSWER, 0.5)


def test_a_free_text_is_judged_by_what_its_metric_lost() -> None:
    before = scored(*[A] * 40)
    after = scored(*[Answer("on its road", "order")] * 40)
    found = compare("x", "int8", before, after, ["rouge_l"], TEXT)

    assert (found.basis, found.texts) == ("rouge_l", 0.0)
    assert found.agreement == pytest.approx(2 / 3)


def test_without_any_label_the_metric_judges() -> None:
    found = compare("x", "int8", scored(Answer("x")), scored(Answer("x")), ["accuracy"])

    assert (found.basis, found.agreement) == ("accuracy", 1.0)


def test_a_hop_counts_the_metric_lost() -> None:
    found = compare("quantise", "int8", scored(A, A, A, A), scored(A, A, B, B), ["accuracy"])

    assert (found.agreement, found.loss) == (0.5, {"accuracy": 0.5})


def test_forms_that_answered_different_rows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="not the same rows"):
        compare("merge", "merged", scored(A), scored(A, A), [])


def test_the_worst_hop_that_is_surely_below_the_limit_is_guilty() -> None:
    verdict = judge([hop("merge", 1.0), hop("prune", 0.2), hop("quantise", 0.5)], 0.9)

    assert verdict.failed_step == "prune"
    assert verdict.message == (
        "'prune' changed the answers: 4 of 20 rows have the same label (20.0%, 95% interval 5.7% "
        "to 43.7%), and min_agreement is 90.0%; make that step milder, drop it, or lower "
        "equivalence.min_agreement"
    )


def test_fourteen_of_sixteen_refuse_nothing_and_say_how_many_rows_would() -> None:
    verdict = judge([hop("quantise", 0.875, rows=16)], 0.9)

    assert verdict.passed
    assert verdict.message == (
        "1 steps checked; lowest agreement after 'quantise': 14 of 16 rows have the same label "
        "(87.5%, 95% interval 61.7% to 98.4%); below min_agreement 90.0%, but on 16 rows that may "
        "be chance: about 593 would show it"
    )


def test_what_the_rows_can_show_is_said() -> None:
    assert judge([hop("merge", 1.0, rows=32)], 0.9).message.endswith(
        "; 32 rows show a step that keeps 75.0% or less"
    )
    assert judge([hop("merge", 1.0, rows=1)], 0.9).message.endswith(
        "; 1 rows are too few to refuse anything at 90.0%"
    )


def test_a_hop_that_was_not_run_says_so_and_breaks_nothing() -> None:
    verdict = judge([not_run("tensorrt-rtx", "engine", "that takes such a GPU")], 0.9)

    assert verdict.passed
    assert verdict.message == "0 steps checked; 'tensorrt-rtx' was not run"


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0, 1), st.integers(1, 200))
@settings(deadline=None)
def test_a_chain_holds_exactly_where_no_hop_is_surely_below(
    shares: list[float], least: float, rows: int
) -> None:
    hops = [hop(str(i), round(share * rows) / rows, rows) for i, share in enumerate(shares)]
    verdict = judge(hops, least)

    assert verdict.passed == all(one.high >= least for one in hops)
    assert (
        verdict.failed_step is None
        if verdict.passed
        else verdict.failed_step in {h.step for h in hops}
    )


@given(st.integers(1, 120), st.floats(0.5, 1.0))
@settings(deadline=None)
def test_a_right_hop_is_refused_once_in_forty_times_at_most(rows: int, limit: float) -> None:
    """Worst case: its true agreement is the limit itself."""
    largest = detectable(rows, limit)
    chance = 0.0 if largest is None else float(binom.cdf(round(largest * rows), rows, limit))

    assert chance <= 0.025 + 1e-9


@given(st.integers(32, 200), st.integers(0, 10_000), st.sampled_from([LABEL, ANSWER, TEXT]))
@settings(deadline=None)
def test_a_hop_that_breaks_half_of_the_answers_is_always_named(
    rows: int, seed: int, basis: str
) -> None:
    assert judge([hop("merge", 1.0), broken(rows, 0.5, basis, seed)], 0.9).failed_step == "planted"


@given(st.integers(1, 200), st.integers(0, 10_000), st.sampled_from([LABEL, ANSWER, TEXT]))
@settings(deadline=None)
def test_a_hop_that_changes_nothing_passes_on_any_number_of_rows(
    rows: int, seed: int, basis: str
) -> None:
    assert judge([broken(rows, 0.0, basis, seed)], 0.99).passed


@given(st.floats(0.0, 0.85), st.just(0.9))
@settings(deadline=None)
def test_about_so_many_rows_as_were_said_show_the_difference(value: float, limit: float) -> None:
    rows = rows_needed(value, limit)

    assert rows is not None
    enough = round(1.1 * rows) + 5
    assert clopper_pearson(int(value * enough), enough).high < limit
    assert rows_needed(limit, limit) is None


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
    assert check_goal(Goal.model_validate(limit), before, after, []).passed is passed


def test_a_missed_goal_names_the_hop_that_lost_most() -> None:
    goal = Goal(metric="accuracy", max_degradation=0.01)
    found = check_goal(
        goal, 0.9, 0.7, [hop("merge", 1.0, accuracy=0.0), hop("x", 0.8, accuracy=0.2)]
    )

    assert found.failed_step == "x"
    assert found.message == (
        "accuracy is 0.7: 0.2 worse than before, at most 0.01 was asked; most of it in 'x'"
    )


def test_a_hop_knows_its_size_against_the_source() -> None:
    found = with_size(hop("quantise", 1.0, accuracy=0.1), 25, 100.0, 2.0, "note")

    assert (found.ratio, found.to_dict()["accuracy lost"]) == (0.25, 0.1)
    assert with_size(hop("x", 1.0), 25, 0.0, 0.0).ratio == 1.0
