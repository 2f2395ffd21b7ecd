"""Feedback is read in the form of the service's answers, beside what the dataset makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.adapters.ledger.judged_feedback import JudgedFeedback
from tidemill.answer import Answer
from tidemill.data.pipeline import PreparedDataset
from tidemill.data.rows import Quarantine
from tidemill.data.votes import RecordedVote, SettledQuestion
from tidemill.engine.failure import Failure, Settlement
from tidemill.planning.failure_evidence import (
    AnswerForm,
    judged_answers,
    read_settlements,
)
from tidemill.planning.vouched_rows import ONE_PERSON, TRAINED, UNKNOWN, RowFinder, VouchedRow
from tidemill.spec.prompt import TextOutput

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLASSIFIER = AnswerForm()
REPLY = AnswerForm(
    ("request",), TextOutput.model_validate({"type": "text", "column": "reply", "label": "intent"})
)


def vote(label: str, kind: Any = "label", voter: str = "ann") -> RecordedVote:
    return RecordedVote(kind, label, voter)


def question(text: str, *votes: RecordedVote, **fields: Any) -> SettledQuestion:
    about = {"state": "settled", "label": "loan", "confidence": 0.97} | fields
    return SettledQuestion(
        text, {"text": text}, votes=votes, answers={}, opinion={}, outputs=("label",), **about
    )


def prepared(*rows: Any, questions: Any = (), dropped: Any = ()) -> PreparedDataset:
    splits: dict[str, list[Any]] = {"train": [], "validation": [], "test": []}
    for split, row in rows:
        splits[split].append(row)
    return PreparedDataset(splits, Quarantine(list(dropped)), [], questions=questions)


def feedback(event: str = "e1", **fields: Any) -> JudgedFeedback:
    row: Any = {
        "event_id": event, "kind": "correction", "rating": None, "content": "loan", "verdict": "",
        "person": "ann", "time": NOW, "response_id": "r1", "question": {"text": "Q  one"},
        "output": "card", "label": "card", "release": "r", "subject": "ann", "answered_at": NOW,
        "arm": "live",
    }  # fmt: skip
    return row | fields  # type: ignore[no-any-return]


def failure(text: str = "q", key: str = "r1", agreement: Any = "unverified") -> Failure:
    card, loan = Answer("card", "card"), Answer("loan", "loan")
    return Failure(key, text, {"text": text}, card, loan, ("corrected",), agreement, "r")


def test_an_answer_of_label_and_words_is_read_whichever_way_it_is_said() -> None:
    expected = Answer("On its way.", "track")

    assert REPLY.read("track | On its way.") == expected
    assert REPLY.read("On its way.", "track") == expected
    assert REPLY.read({"intent": "track", "reply": "On its way."}) == expected
    assert REPLY.read("On its way.") is None
    assert CLASSIFIER.read({"label": "card"}) == CLASSIFIER.read(" card ") == Answer("card", "card")
    assert (CLASSIFIER.columns("why"), REPLY.columns({"request": "why", "channel": "app"})) == (
        {"text": "why"}, {"request": "why"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settled", "agreement"),
    [
        (question("q", vote("loan"), vote("loan", voter="bob")), "agreed"),
        (question("q", vote("loan")), "unverified"),
        (question("q", vote("loan"), vote("loan", voter="bob"), confidence=0.9), "unverified"),
        (question("q", vote("loan", "file", "rows.jsonl:3")), "agreed"),
        (question("q", vote("loan"), state="contested"), "contested"),
        (question("q", vote("loan"), state="new label"), "contested"),
        (question("q", vote("loan", "answer"), state="reviewed"), "reviewed"),
    ],
)
def test_who_vouches_for_a_label_follows_the_votes(
    settled: SettledQuestion, agreement: Any
) -> None:
    found = read_settlements(prepared(questions=[settled]), CLASSIFIER)

    assert list(found.by_question.values()) == [Settlement("loan", agreement)]


def test_what_was_said_of_one_answer_comes_together_with_what_became_of_it() -> None:
    dropped = [({"__event": "e2"}, "outvoted: 2 votes for 'loan'"), ({"__event": "e3"}, "no label")]
    settled = read_settlements(
        prepared(questions=[question("q ONE", vote("loan"))], dropped=dropped), CLASSIFIER
    )
    rows = [
        feedback(),
        feedback("e2", content="cash"),
        feedback("e9", response_id="r2", arm="shadow"),
    ]

    first, second = judged_answers(rows, CLASSIFIER, settled)

    assert [(s.expected, s.is_outvoted) for s in first.signals] == [
        (Answer("loan", "loan"), False), (Answer("cash", "cash"), True),
    ]  # fmt: skip
    assert first.settlement == Settlement("loan", "unverified")
    assert (first.is_shadow, second.is_shadow) == (False, True)


def test_a_row_may_be_tested_on_where_it_is_already_or_where_people_vouch_for_it() -> None:
    user = {"label": "loan", "__feedback": True}
    finder = RowFinder.build(
        prepared(
            ("test", {"text": "in test", "label": "loan"}),
            ("train", {"text": "in a file", "label": "loan"}),
            ("train", {"text": "vouched", **user, "__origin": "feedback:s/e1"}),
            ("validation", {"text": "alone", **user, "__unverified": True}),
            questions=[question("q", vote("loan"))],
            dropped=[
                ({"__answer": "r7"}, "counted as a vote: for feedback:s/e1"),
                ({"__answer": "r8"}, "no consent: the user did not agree"),
            ],
        ),
        CLASSIFIER,
    )
    outcomes = [
        finder.find(failure(text, key))
        for text, key in (
            ("In TEST", "r1"), ("vouched", "r2"), ("nearly the same", "r7"),
            ("in a file", "r3"), ("alone", "r4"), ("not kept", "r8"), ("unheard of", "r9"),
        )
    ]  # fmt: skip

    assert [(o.split, o.expected) for o in outcomes if isinstance(o, VouchedRow)] == [
        ("test", "loan"), ("train", "loan"), ("train", "loan"),
    ]  # fmt: skip
    assert outcomes[3:] == [TRAINED, ONE_PERSON, "no consent", UNKNOWN]


def test_a_free_answer_needs_a_review() -> None:
    row = {"text": "q", "label": "loan", "__feedback": True}
    finder = RowFinder.build(prepared(("train", row)), CLASSIFIER)

    assert finder.find(failure()) == ONE_PERSON
    assert isinstance(finder.find(failure(agreement="reviewed")), VouchedRow)
