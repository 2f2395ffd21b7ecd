"""One row for each question: votes decide, what is contested waits, nothing vanishes unnamed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill.data.corrections import newest_answers
from tidemill.data.rows import (
    ANSWER,
    FEEDBACK,
    ORIGIN,
    UNVERIFIED,
    VOTE,
    VOUCHED,
    VOUCHED_AT,
    mark_questions,
)
from tidemill.data.votes import SettledRows, questions
from tidemill.pipeline.settled_labels import settle_labels
from tidemill.rows import MutableRow
from tidemill.spec.dataset import Consensus

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KNOWN = [
    {"text": f"row {n} {label}", "label": label, ORIGIN: f"data/rows.csv:{n}"}
    for label in ("card", "transfer")
    for n in range(3)
]


def vote(subject: str, label: str, text: str = "where is my card", **more: Any) -> MutableRow:
    at = {"time": str(NOW - timedelta(minutes=5)), ORIGIN: f"feedback:s/{subject}-{label}"}
    about = {"subject": subject, FEEDBACK: True, VOTE: "label", "weight": 1.0, ANSWER: "r1"}
    return {"text": text, "label": label, **at, **about, **more}


def settled(rows: Sequence[MutableRow], rules: Consensus | None = None) -> SettledRows:
    everything = [dict(row) for row in (*KNOWN, *rows)]
    mark_questions(everything, ["text"])
    asked = questions(everything, near=None)
    return settle_labels(everything, asked, "label", rules or Consensus(), now=NOW)


def new(outcome: SettledRows) -> list[MutableRow]:
    return [row for row in outcome.rows if row.get(FEEDBACK)]


def test_one_wrong_correction_does_not_outvote_five_in_any_order() -> None:
    right = [vote(f"user-{n}", "card") for n in range(5)]
    for place in range(6):
        rows = [*right[:place], vote("wrong", "transfer"), *right[place:]]
        outcome = settled(rows)

        assert [row["label"] for row in new(outcome)] == ["card"]
        reasons = sorted(reason.split(":")[0] for _, reason in outcome.dropped)
        assert reasons == ["counted as a vote"] * 4 + ["outvoted"]


def test_two_people_who_disagree_make_a_row_contested_with_its_votes() -> None:
    outcome = settled([vote("ann", "card"), vote("bob", "transfer")])

    assert new(outcome) == []
    assert outcome.contested == 2
    reason = "contested: 1 vote for 'card', 1 for 'transfer'"
    assert [why for _, why in outcome.dropped] == [reason] * 2


def test_a_review_settles_it_and_the_row_may_be_tested_on() -> None:
    rows = [vote("ann", "card"), vote("bob", "transfer")]
    review = vote("expert", "transfer", **{VOTE: "review", "time": str(NOW)})

    for order in itertools.permutations([*rows, review]):
        (row,) = new(settled(order))
        assert row["label"] == "transfer"
        assert UNVERIFIED not in row


def test_what_one_person_says_is_trained_on_with_its_probability_and_never_tested_on() -> None:
    (row,) = new(settled([vote("ann", "card")]))

    assert row[UNVERIFIED]
    assert 0.7 <= row["weight"] < 1


def test_the_same_person_has_one_vote_however_often() -> None:
    loud = [vote("loud", "transfer", time=str(NOW - timedelta(minutes=n))) for n in range(9)]
    outcome = settled([*loud, vote("ann", "card"), vote("bob", "card")])

    assert [row["label"] for row in new(outcome)] == ["card"]


@pytest.mark.parametrize(("people", "rows"), [(1, 0), (2, 0), (3, 3)])
def test_a_new_label_counts_once_enough_people_chose_it(people: int, rows: int) -> None:
    votes = [vote(f"user-{n}", "crypto", f"question {n}") for n in range(people)]
    outcome = settled(votes)

    assert len(new(outcome)) == rows
    assert outcome.contested == people - rows
    if not rows:
        assert "new label 'crypto', chosen by" in outcome.dropped[0][1]


def test_a_thumb_up_confirms_and_a_thumb_down_alone_makes_no_row() -> None:
    up = vote("ann", "card", **{VOTE: "up"})
    down = vote("ann", "card", **{VOTE: "down"})

    assert [row["label"] for row in new(settled([up]))] == ["card"]
    assert new(settled([down])) == []
    assert settled([down]).contested == 1


def test_a_file_row_stays_where_one_person_disagrees_and_waits_where_five_do() -> None:
    text = str(KNOWN[0]["text"])
    one = settled([vote("ann", "transfer", text)])
    five = settled([vote(f"user-{n}", "transfer", text) for n in range(5)])

    assert [row["label"] for row in one.rows if row["text"] == text] == ["card"]
    assert [row["label"] for row in five.rows if row["text"] == text] == ["transfer"]


def test_every_row_is_kept_or_named() -> None:
    rows = [vote("ann", "card"), vote("bob", "transfer"), vote("cem", "card", "other")]
    outcome = settled(rows)

    assert len(outcome.rows) + len(outcome.dropped) == len(KNOWN) + len(rows)


def test_old_votes_count_less_with_a_half_life() -> None:
    old = [vote(f"old-{n}", "transfer", time=str(NOW - timedelta(days=300))) for n in range(3)]
    rows = [*old, vote("ann", "card"), vote("bob", "card")]

    assert [row["label"] for row in new(settled(rows))] != ["card"]
    recent = settled(rows, Consensus(half_life=timedelta(days=30)))
    assert [row["label"] for row in new(recent)] == ["card"]


def test_without_a_label_the_last_correction_of_an_answer_counts() -> None:
    first = vote("ann", "first", __event="1")
    last = vote("bob", "last", time=str(NOW), __event="2")
    bad = vote("cem", "bad", **{VOTE: "down", "__event": "3"})

    rows, dropped = newest_answers([last, first, bad], ["label"])

    assert [row["label"] for row in rows] == ["last"]
    assert sorted(reason.split(":")[0] for _, reason in dropped) == ["outvoted", "rated bad"]


def test_a_label_of_several_people_is_verified_and_that_of_one_is_not() -> None:
    (alone,) = new(settled([vote("ann", "card")]))
    (agreed,) = new(settled([vote(f"user-{n}", "card") for n in range(5)]))

    assert alone.get(VOUCHED) is None
    assert (agreed[VOUCHED], agreed[VOUCHED_AT]) == ("consensus", str(NOW - timedelta(minutes=5)))
