"""What became of each question, as people look at it before a training and in a review."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tidemill.data.reviews import ReviewedQuestion
from tidemill.data.rows import (
    ANSWER,
    FEEDBACK,
    METADATA_COLUMNS,
    ORIGIN,
    PREFIX,
    REVIEWER,
    SOURCE,
    VERDICT,
    VOTE,
    is_review,
    question_of,
)
from tidemill.data.votes import Prior, Question, QuestionState, RecordedVote, SettledQuestion
from tidemill.engine.consensus import Consensus
from tidemill.engine.label_doubt import doubts
from tidemill.rows import DatasetRow, MutableRow


def settled_questions(
    rows: Sequence[MutableRow],
    asked: Sequence[Question],
    cases: Sequence[ReviewedQuestion],
    consensus: Consensus,
    rare: Collection[str],
    outputs: Sequence[str],
    prior: Prior,
) -> list[SettledQuestion]:
    """All questions with a vote or a review, and those of files whose label a model doubts."""
    by_item = {case.question.item: case for case in cases}
    opinions = {q.item: prior[q.places[0]] for q in asked if q.places[0] in prior}
    settled = {
        question.item: _settled(rows, case, consensus, rare, outputs, opinions)
        for question in asked
        if question.item in by_item or question.item in opinions
        for case in (by_item.get(question.item) or _unreviewed(question),)
    }
    labels = {item: one.label for item, one in settled.items() if one.state == "settled"}
    doubted = doubts(labels, opinions)
    return [
        replace(one, doubt=doubted.get(item, 0.0))
        for item, one in settled.items()
        if item in by_item or item in doubted
    ]


def question_id(row: DatasetRow) -> str:
    """12 hex digits of what a row asks."""
    return hashlib.sha256(question_of(row).encode()).hexdigest()[:12]


def _settled(
    rows: Sequence[MutableRow],
    case: ReviewedQuestion,
    consensus: Consensus,
    rare: Collection[str],
    outputs: Sequence[str],
    opinions: Mapping[str, Mapping[str, float]],
) -> SettledQuestion:
    label, confidence, state = _verdict(rows, case, consensus, rare, outputs[0])
    members = [rows[place] for place in (*case.members, *case.reviews)]
    first = rows[case.question.places[0]]
    answers = {
        str(row[outputs[0]]): {name: row.get(name) for name in outputs}
        for row in sorted(members, key=lambda row: str(row.get("time") or ""))
        if row.get(outputs[0]) is not None and row.get(VOTE) != "down"
    }
    return SettledQuestion(
        id=question_id(first),
        question=_question_columns(first, outputs),
        state=state,
        label=label,
        confidence=confidence,
        votes=[_recorded(row, outputs[0], consensus) for row in members],
        answers=answers,
        opinion=opinions.get(case.question.item, {}),
        outputs=outputs,
        response_id=next((str(row[ANSWER]) for row in members if row.get(ANSWER)), None),
        source=str(first.get(SOURCE) or ""),
    )


def _verdict(
    rows: Sequence[MutableRow],
    case: ReviewedQuestion,
    consensus: Consensus,
    rare: Collection[str],
    label: str,
) -> tuple[str, float, QuestionState]:
    """The label of a question, its probability, and what settled it."""
    if case.verdict is not None:
        rejected = case.decision == "reject"
        return str(case.verdict.get(label) or ""), 1.0, "rejected" if rejected else "reviewed"
    verdict = consensus.verdicts.get(case.question.item)
    if verdict is None:  # only files ask it, or a review that was taken back
        return str(rows[case.question.places[0]].get(label) or ""), 1.0, "settled"
    state: QuestionState = "contested" if verdict.contested else "settled"
    if verdict.label in rare and not (verdict.contested or verdict.verified):
        state = "new label"
    return verdict.label, verdict.confidence, state


def _unreviewed(question: Question) -> ReviewedQuestion:
    """A question that only files ask."""
    return ReviewedQuestion(question, question.places, (), None)


def _recorded(row: DatasetRow, label: str, consensus: Consensus) -> RecordedVote:
    said, moment = str(row.get(label) or ""), str(row.get("time") or "")
    if is_review(row):
        verdict = row.get(VERDICT, "answer")
        return RecordedVote(verdict, said, str(row.get(REVIEWER) or ""), moment)
    if not row.get(FEEDBACK):
        return RecordedVote("file", said, str(row.get(ORIGIN) or ""))
    voter = str(row.get("subject") or "")
    accuracy = consensus.accuracy.get(voter)
    share = None if accuracy is None else round(accuracy, 3)
    return RecordedVote(row.get(VOTE, "label"), said, voter, moment, share)


def _question_columns(row: DatasetRow, outputs: Sequence[str]) -> MutableRow:
    return {
        name: value
        for name, value in row.items()
        if not name.startswith(PREFIX)
        and name not in METADATA_COLUMNS
        and name not in outputs
        and value is not None
    }
