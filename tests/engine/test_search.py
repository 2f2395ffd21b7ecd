"""A search proposes what is better, and hardly ever what is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.answer import Answer
from tidemill.engine.search import (
    ALPHA,
    Trial,
    answer_changes,
    best_trial,
    comparison_confidence,
    decide,
    divide_rows,
    swap_test,
)
from tidemill.metrics import Scored

BITS = st.lists(st.booleans(), min_size=1, max_size=40)


def answers(right: list[bool]) -> list[Scored]:
    """One row each; a wrong answer has the other label."""
    return [
        Scored(Answer(f"row {n}", "a"), Answer(f"row {n}", "a" if good else "b"))
        for n, good in enumerate(right)
    ]


def texts(said: list[str], wanted: str = "one two three four") -> list[Scored]:
    return [Scored(Answer(wanted), Answer(text)) for text in said]


@given(BITS)
def test_two_prompts_that_answer_alike_are_never_proposed(right: list[bool]) -> None:
    for metric in ("accuracy", "exact_match", "macro_f1", "rouge_l", "bleu"):
        decision = decide(metric, answers(right), answers(right))

        assert not decision.is_better
        assert decision.gain.value == 0


@given(BITS)
def test_what_answers_worse_on_every_row_is_never_proposed(right: list[bool]) -> None:
    decision = decide("accuracy", answers([True] * len(right)), answers([False] * len(right)))

    assert not decision.is_better


def test_what_is_right_where_the_other_was_wrong_is_proposed() -> None:
    before = answers([n < 10 for n in range(40)])
    after = answers([n < 30 for n in range(40)])
    decision = decide("accuracy", before, after)

    assert decision.is_better
    assert decision.gain.value == 0.5
    assert 0 < decision.gain.low < 0.5
    assert decision.p_value < 0.001


def test_the_words_of_a_text_count_too() -> None:
    before, after = texts(["one five six seven"] * 20), texts(["one two three five"] * 20)

    assert decide("rouge_l", before, after).is_better
    assert decide("bleu", before, after).gain.value > 0
    assert not decide("rouge_l", after, before).is_better


def test_five_rows_of_five_prove_nothing() -> None:
    decision = decide("accuracy", answers([False] * 5), answers([True] * 5))

    assert not decision.is_better
    assert "5 comparison rows are too few; 6 are needed" in decision.reason


def test_rows_of_one_customer_count_once() -> None:
    before, after = answers([False] * 12), answers([True] * 12)
    alone = decide("accuracy", before, after, clusters=["one"] * 12)
    apart = decide("accuracy", before, after, clusters=list(range(12)))

    assert not alone.is_better
    assert apart.is_better


def test_the_more_often_one_looks_the_surer_one_has_to_be() -> None:
    levels = [(1 - comparison_confidence(look)) / 2 for look in range(1, 2000)]

    assert comparison_confidence(1) == pytest.approx(0.95)
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) <= ALPHA


@pytest.mark.parametrize(("rows", "rate"), [(12, 0.5), (30, 0.2), (30, 0.8), (80, 0.5)])
def test_a_search_over_prompts_that_are_alike_rarely_proposes(rows: int, rate: float) -> None:
    """The null, simulated: both prompts are right with the same probability, row by row."""
    rng = np.random.default_rng(rows)
    runs = 400
    proposed = sum(
        decide(
            "accuracy",
            answers((rng.random(rows) < rate).tolist()),
            answers((rng.random(rows) < rate).tolist()),
            seed=run,
        ).is_better
        for run in range(runs)
    )

    assert proposed / runs <= ALPHA


def test_whoever_asks_again_and_again_is_told_of_no_gain_either() -> None:
    """Eight candidates in a row against the same deciding rows, all of them alike."""
    rng = np.random.default_rng(3)
    runs, rows = 150, 30
    fooled = 0
    for _ in range(runs):
        present = answers((rng.random(rows) < 0.4).tolist())
        fooled += any(
            decide(
                "accuracy", present, answers((rng.random(rows) < 0.4).tolist()), comparison=look
            ).is_better
            for look in range(1, 9)
        )

    assert fooled / runs <= ALPHA + 0.02


def test_swapping_at_random_gives_the_exact_probability() -> None:
    chance = swap_test("accuracy", answers([True] * 6), answers([False] * 6), swaps=20_000)

    assert chance == pytest.approx(1 / 64, abs=0.004)
    assert swap_test("accuracy", answers([True]), answers([True])) == 1.0


ROWS = st.lists(st.text("abcdef", min_size=1, max_size=2), max_size=40)


@given(ROWS, ROWS, st.integers(1, 10), st.integers(1, 10), st.integers(0, 3))
def test_no_question_stands_in_two_parts(
    train: list[str], held_out: list[str], rank_on: int, decide_on: int, seed: int
) -> None:
    parts = divide_rows(
        [(text, {"q": text}) for text in train],
        [(text, {"q": text}) for text in held_out],
        rank_on=rank_on,
        decide_on=decide_on,
        seed=seed,
    )
    pool, dev, deciding = (
        [row["q"] for row in p] for p in (parts.example_pool, parts.ranking, parts.deciding)
    )

    assert not set(pool) & set(dev)
    assert not (set(pool) | set(dev)) & set(held_out)
    assert len(set(pool + dev + deciding)) == len(pool + dev + deciding)
    assert len(dev) <= rank_on
    assert len(deciding) == min(decide_on, len(set(held_out)))
    assert parts.excluded == len(train) - len(pool) - len(dev)


def test_which_rows_decide_does_not_depend_on_the_seed() -> None:
    train = [(f"t{n}", {"n": n}) for n in range(30)]
    held_out = [(f"d{n}", {"n": n}) for n in range(30)]
    one, two = (divide_rows(train, held_out, rank_on=8, decide_on=9, seed=seed) for seed in (1, 2))

    assert one.deciding == two.deciding
    assert one.ranking != two.ranking


def test_what_there_is_now_wins_a_tie() -> None:
    trials = [Trial("now", 0.5), Trial("new", 0.5), Trial("worse", 0.1), Trial("too long", None)]

    assert best_trial(trials) == trials[0]
    assert best_trial([Trial("one", 3.0, "lower"), Trial("two", 2.0, "lower")]) == Trial(
        "two", 2.0, "lower"
    )
    assert best_trial([Trial("one", None)]) is None


def test_rows_that_flip_are_named_each_way() -> None:
    before, after = answers([True, True, False, False]), answers([True, False, True, False])

    assert answer_changes("accuracy", before, after).better == (2,)
    assert answer_changes("accuracy", before, after).worse == (1,)
    assert answer_changes("macro_f1", before, after).better == (2,)
