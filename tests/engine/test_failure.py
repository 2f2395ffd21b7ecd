"""An answer failed where a person who counts says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill.answer import Answer
from tidemill.engine.failure import (
    CONFIRMED,
    OUTVOTED,
    REJECTED,
    SHADOW,
    AnswerSignal,
    Failure,
    JudgedAnswer,
    Settlement,
    judge_answer,
    select_failures,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CARD, LOAN = Answer("card", "card"), Answer("loan", "loan")


def said(kind: str, minute: int = 0, **fields: Any) -> AnswerSignal:
    return AnswerSignal(kind, NOW + timedelta(minutes=minute), "ann", **fields)


def answered(*signals: AnswerSignal, answer: Answer = CARD, **fields: Any) -> JudgedAnswer:
    about: dict[str, Any] = {"columns": {"text": "q"}, "release": "r", "subject": "ann"}
    return JudgedAnswer("r1", "q", answer=answer, time=NOW, signals=signals, **about | fields)


def failure(answer: JudgedAnswer) -> Failure:
    outcome = judge_answer(answer)
    assert isinstance(outcome, Failure)
    return outcome


DOWN = said("thumbs", rating=0.0)
LOAN_WANTED = said("correction", expected=LOAN)


def test_a_rating_below_the_middle_is_a_failure_and_one_in_the_middle_is_not() -> None:
    assert failure(answered(said("score", rating=0.49))).reasons == ("rated bad",)
    assert judge_answer(answered(said("score", rating=0.5))) is None
    assert judge_answer(answered(said("comment"))) is None


def test_a_correction_says_what_was_wanted_and_one_that_repeats_the_answer_says_nothing() -> None:
    found = failure(answered(LOAN_WANTED, DOWN))

    assert (found.reasons, found.expected) == (("rated bad", "corrected"), LOAN)
    assert found.agreement == "unverified"
    assert judge_answer(answered(said("correction", expected=Answer(" CARD", "card")))) is None


def test_the_newest_of_several_corrections_counts() -> None:
    later = said("correction", 5, expected=Answer("cash", "cash"))

    assert failure(answered(later, LOAN_WANTED)).expected == Answer("cash", "cash")


def test_another_text_with_the_same_label_is_a_correction() -> None:
    wrong, right = Answer("It is late.", "card"), Answer("It comes on Monday.", "card")

    assert failure(answered(said("correction", expected=right), answer=wrong)).expected == right


@pytest.mark.parametrize(
    ("review", "outcome"),
    [
        ({"verdict": "answer", "expected": CARD}, CONFIRMED),
        ({"verdict": "reject"}, REJECTED),
    ],
)
def test_a_review_outranks_what_users_say(review: dict[str, Any], outcome: str) -> None:
    assert judge_answer(answered(LOAN_WANTED, DOWN, said("review", 9, **review))) == outcome


def test_a_review_that_contradicts_is_a_failure_and_one_that_reopens_leaves_it_to_users() -> None:
    contradicts = said("review", 1, verdict="answer", expected=LOAN)
    found = failure(answered(contradicts))

    assert (found.reasons, found.agreement, found.expected) == (("reviewed",), "reviewed", LOAN)
    assert judge_answer(answered(contradicts, said("review", 2, verdict="reopen"))) is None


def test_a_complaint_that_others_outvoted_counts_nowhere() -> None:
    alone = said("correction", expected=LOAN, is_outvoted=True)
    agreed = Settlement("card", "agreed")

    assert judge_answer(answered(alone)) == OUTVOTED
    assert judge_answer(answered(LOAN_WANTED, settlement=agreed)) == OUTVOTED
    assert judge_answer(answered(DOWN, settlement=agreed)) == OUTVOTED
    assert judge_answer(answered(settlement=Settlement("", "reviewed", True))) == REJECTED


def test_a_thumb_down_on_the_words_of_an_answer_with_the_right_label_is_a_failure() -> None:
    answer = Answer("Print a label.", "card")

    assert failure(answered(DOWN, answer=answer, settlement=Settlement("card", "agreed")))


def test_what_people_settled_is_what_was_wanted_where_nobody_corrected_this_answer() -> None:
    found = failure(answered(DOWN, settlement=Settlement("loan", "agreed")))

    assert (found.expected, found.agreement) == (LOAN, "agreed")
    contested = failure(answered(LOAN_WANTED, settlement=Settlement("card", "contested")))
    assert (contested.expected, contested.agreement) == (LOAN, "contested")


def test_the_answer_of_a_shadow_is_left_out_and_counted() -> None:
    selected = select_failures(
        [answered(DOWN), answered(DOWN, is_shadow=True), answered(said("thumbs", rating=1.0))]
    )

    assert (len(selected.failures), selected.left_out) == (1, {SHADOW: 1})
