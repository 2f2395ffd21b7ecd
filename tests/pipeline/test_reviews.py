"""A reviewer's newest verdict settles a question, whatever people voted, and adds no row itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.pipeline.test_settled_labels import KNOWN, NOW, new, vote

from tidemill.data.corrections import newest_answers
from tidemill.data.origins import origin
from tidemill.data.pipeline import PreparedDataset, prepare
from tidemill.data.rows import (
    CONSENT,
    EVENT,
    FEEDBACK,
    ORIGIN,
    PLACE,
    REVIEWER,
    SPLIT,
    VERDICT,
    VOTE,
    mark_questions,
)
from tidemill.data.votes import SettledQuestion, SettledRows, questions
from tidemill.pipeline.settled_labels import settle_labels
from tidemill.rows import MutableRow
from tidemill.spec.dataset import Consensus, Dataset

CONTESTED = [vote("ann", "card"), vote("bob", "transfer")]


def review(verdict: str, label: str | None = None, minute: int = 0, **more: Any) -> MutableRow:
    at = {"time": str(NOW + timedelta(minutes=minute)), ORIGIN: f"feedback:s/v{minute}"}
    about = {FEEDBACK: True, VOTE: "review", VERDICT: verdict, REVIEWER: "ada@x.org", CONSENT: True}
    event = {EVENT: f"v{minute}", PLACE: f"s/0/{minute}"}
    said = {} if label is None else {"label": label}
    return {"text": "where is my card", **said, **at, **about, **event, **more}


def settled(rows: Sequence[MutableRow], **more: Any) -> SettledRows:
    everything = [dict(row) for row in (*KNOWN, *rows)]
    mark_questions(everything, ["text"])
    asked = questions(everything, near=None)
    return settle_labels(everything, asked, "label", Consensus(), now=NOW, **more)


def states(outcome: SettledRows) -> dict[str, str]:
    return {str(one.question["text"]): one.state for one in outcome.questions}


def test_the_newest_review_counts_in_every_order() -> None:
    verdicts = [
        review("answer", "transfer", 1),
        review("reject", minute=2),
        review("answer", "card", 3),
    ]
    for order in itertools.permutations([*CONTESTED, *verdicts]):
        outcome = settled(order)
        (row,) = new(outcome)
        assert row["label"] == "card"
        assert states(outcome) == {"where is my card": "reviewed"}


def test_a_rejected_question_leaves_no_row_and_is_named() -> None:
    outcome = settled([*CONTESTED, review("reject")])

    assert new(outcome) == []
    assert [reason for _, reason in outcome.dropped] == ["rejected: by ada@x.org"] * 3
    assert states(outcome) == {"where is my card": "rejected"}


def test_a_verdict_that_is_taken_back_leaves_the_votes_as_they_were() -> None:
    before = settled(CONTESTED)
    after = settled([*CONTESTED, review("answer", "card", 1), review("reopen", minute=2)])

    assert (before.contested, after.contested) == (2, 2)
    assert states(after) == {"where is my card": "contested"}
    (question,) = after.questions
    assert (question.label, question.confidence) == (
        before.questions[0].label,
        pytest.approx(before.questions[0].confidence),
    )


def test_a_label_nobody_voted_for_replaces_the_newest_vote_and_names_the_review() -> None:
    later = {**CONTESTED[1], "time": str(NOW)}
    (row,) = new(settled([CONTESTED[0], later, review("answer", "crypto", 1, subject="ann")]))

    assert (row["label"], row["subject"]) == ("crypto", "bob")
    assert (row[EVENT], row[PLACE]) == ("v1", "s/0/1")


def test_a_file_row_gets_the_reviewers_label_and_keeps_its_split() -> None:
    text = str(KNOWN[0]["text"])
    fixed = {**KNOWN[0], SPLIT: "test"}
    everything = [fixed, *KNOWN[1:], review("answer", "transfer", 1, text=text)]
    mark_questions(everything, ["text"])
    outcome = settle_labels(
        everything, questions(everything, near=None), "label", Consensus(), now=NOW
    )
    (row,) = [row for row in outcome.rows if row["text"] == text]

    assert (row["label"], row[SPLIT], row[ORIGIN]) == ("transfer", "test", fixed[ORIGIN])
    shown = origin({**row, "id": "1"})
    assert (shown["line"], row[EVENT]) == (0, "v1")
    assert (shown["vouched"], shown["said_at"]) == ("review", str(NOW + timedelta(minutes=1)))
    assert not row.get(FEEDBACK)


def test_a_review_makes_a_row_only_of_an_answer_with_consent() -> None:
    kept = settled([review("answer", "card", 1, __answer="r1")])
    refused = settled([review("answer", "card", 1, __answer="r1", __consent=False)])
    from_file = settled([review("answer", "card", 1)])

    assert [row["label"] for row in new(kept)] == ["card"]
    assert new(refused) == new(from_file) == []
    assert refused.dropped[0][1] == "review without a row: nobody's row asks this any more"


def test_a_review_confirms_a_new_label_for_every_question_that_waits_for_it() -> None:
    waiting = [vote(f"u{n}", "crypto", f"question {n}") for n in range(2)]
    before = settled(waiting)
    after = settled([*waiting, review("answer", "crypto", 1, text="question 0")])

    assert set(states(before).values()) == {"new label"}
    assert sorted(row["text"] for row in new(after)) == ["question 0", "question 1"]


def test_votes_are_recorded_with_the_person_and_a_model_with_its_doubt() -> None:
    text = str(KNOWN[0]["text"])
    opinions = {n: {"card": 0.9, "transfer": 0.1} for n in (1, 2)}
    opinions |= {n: {"card": 0.1, "transfer": 0.9} for n in (0, 3, 4, 5)}
    outcome = settled(CONTESTED, prior=opinions)
    doubted = {str(one.question["text"]): one for one in outcome.questions if one.doubt}
    contested = next(one for one in outcome.questions if one.state == "contested")

    assert [text] == list(doubted)
    assert doubted[text].doubt == pytest.approx(0.8)
    assert [(v.kind, v.label, v.voter) for v in doubted[text].votes] == [
        ("file", "card", str(KNOWN[0][ORIGIN]))
    ]
    assert [(v.kind, v.label, v.voter) for v in contested.votes] == [
        ("label", "card", "ann"),
        ("label", "transfer", "bob"),
    ]


def test_free_answers_follow_the_newest_review_too() -> None:
    first = vote("ann", "first", __event="1")
    other = vote("bob", "other", __event="2", text="another question")
    verdict = review("answer", "reviewed", 1)
    rejected = review("reject", minute=2, text="another question")
    rows = [first, other, verdict, rejected]
    mark_questions(rows, ["text"])

    remaining, dropped = newest_answers(rows, ["label"])

    assert [row["label"] for row in remaining] == ["reviewed"]
    assert len(dropped) == 3


def spec(**more: Any) -> Dataset:
    head = {"apiVersion": "tidemill/v1", "kind": "Dataset", "name": "rows"}
    source = [{"type": "file", "path": "rows.csv"}]
    return Dataset.model_validate({**head, "format": "classification", "sources": source, **more})


def prepared(rows: Sequence[MutableRow], **more: Any) -> PreparedDataset:
    def settle(rows: Sequence[MutableRow], asked: Any) -> SettledRows:
        return settle_labels(rows, asked, "label", Consensus(), now=NOW)

    everything = [dict(row) for row in (*KNOWN, *rows)]
    return prepare(everything, spec(**more), now=NOW, key=None, settle_labels=settle)


def test_no_gate_before_the_votes_stops_a_verdict() -> None:
    text = str(KNOWN[0]["text"])
    long_ago = str(datetime(2020, 1, 1, tzinfo=UTC))
    verdict = review("reject", text=f" {text.upper()} ", __consent=False, time=long_ago)
    made = prepared(
        [verdict],
        clean=[
            {"type": "strip"},
            {"type": "lower", "columns": ["text"]},
            {"type": "drop_empty", "columns": ["text", "label"]},
            {"type": "sample", "rows": 100},
        ],
        privacy={"retention_days": 30, "regions": []},
    )
    texts = [row["text"] for rows in made.splits.values() for row in rows]

    assert text not in texts
    assert len(texts) == len(KNOWN) - 1
    assert made.quarantine.counts() == {"rejected": 2}


def test_a_question_has_the_same_id_while_it_asks_the_same() -> None:
    def only(outcome: SettledRows) -> SettledQuestion:
        (question,) = outcome.questions
        return question

    assert only(settled(CONTESTED)).id == only(settled([*CONTESTED, review("reject")])).id


def test_a_review_corrects_a_row_of_a_fixed_test_split_where_it_is() -> None:
    text = "is my card lost"
    fixed = {"text": text, "label": "transfer", SPLIT: "test", ORIGIN: "data/test.csv:1"}
    votes = [vote(f"user-{n}", "card", text, __consent=True) for n in range(3)]
    made = prepared([fixed, *votes, review("answer", "card", 1, text=text)])
    (row,) = [row for row in made.splits["test"] if row["text"] == text]

    assert row["label"] == "card"
    assert [one.state for one in made.questions] == ["reviewed"]
    assert made.quarantine.counts()["leaks into test"] == 3
