"""What becomes of a question's rows where a reviewer decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill.data.rows import (
    ANSWER,
    CONSENT,
    EVENT,
    FEEDBACK,
    ORIGIN,
    PLACE,
    REVIEWER,
    VERDICT,
    VOTE,
    VOUCHED,
    VOUCHED_AT,
    is_review,
)
from tidemill.data.votes import COUNTED, OUTVOTED, REJECTED, UNASKED, Question
from tidemill.rows import DatasetRow, MutableRow

Outcome = MutableRow | tuple[MutableRow, str]
"""A row that stays, or one that is left out with its reason."""


@dataclass(frozen=True)
class ReviewedQuestion:
    """A question's rows, the reviews of it apart."""

    question: Question
    members: Sequence[int]
    """Places of its rows that are no reviews."""
    reviews: Sequence[int]
    verdict: MutableRow | None
    """The newest review; None where there is none, or it left the question open again."""

    @property
    def decision(self) -> str:
        """`answer` or `reject`; empty where people's votes decide."""
        return str(self.verdict.get(VERDICT, "answer")) if self.verdict else ""


def split_reviews(rows: Sequence[MutableRow], question: Question) -> ReviewedQuestion:
    """The rows of a question and the verdict on it."""
    reviews = [place for place in question.places if is_review(rows[place])]
    members = [place for place in question.places if not is_review(rows[place])]
    newest = max((rows[place] for place in reviews), key=_moment, default=None)
    reopened = newest is not None and newest.get(VERDICT) == "reopen"
    return ReviewedQuestion(question, members, reviews, None if reopened else newest)


def reviewed_outcomes(
    rows: Sequence[MutableRow], case: ReviewedQuestion, outputs: Sequence[str]
) -> dict[int, Outcome]:
    """For each place of a question with a verdict: the row that stays, or the row with its reason.

    `outputs` are the columns of an answer, the label's first.
    """
    review = case.verdict
    assert review is not None
    own = next(place for place in case.reviews if rows[place] is review)
    outcomes: dict[int, Outcome] = {
        place: (rows[place], f"{OUTVOTED}: a later review counts") for place in case.reviews
    }
    if case.decision == "reject":
        reason = f"{REJECTED}: by {review.get(REVIEWER)}"
        return outcomes | {place: (rows[place], reason) for place in (*case.members, own)}
    if not case.members:
        return outcomes | {own: _alone(review)}
    base = max(case.members, key=lambda place: _preference(rows[place], review, outputs[0]))
    for place in (*case.members, own):
        outcomes[place] = _counted(rows[place], review, outputs[0], rows[base])
    return outcomes | {base: _corrected(rows[base], review, outputs)}


def open_outcomes(rows: Sequence[MutableRow], case: ReviewedQuestion) -> dict[int, Outcome]:
    """The reviews of a question that votes decide: none of them counts."""
    reason = f"{OUTVOTED}: a later review left the question open"
    return {place: (rows[place], reason) for place in case.reviews}


def _alone(review: MutableRow) -> Outcome:
    """A review of an answer that nobody else said anything about is a row only with consent."""
    if review.get(CONSENT) is True and review.get(ANSWER):
        return _verify(review, review)
    return review, f"{UNASKED}: nobody's row asks this any more"


def _moment(row: DatasetRow) -> tuple[str, str]:
    return str(row.get("time")), str(row.get(EVENT))


def _preference(row: DatasetRow, review: DatasetRow, label: str) -> tuple[bool, bool, str]:
    """A file's row comes first: it keeps its split. Then the newest vote for the right label."""
    right = str(row.get(label)) == str(review.get(label)) and row.get(VOTE) != "down"
    return not row.get(FEEDBACK), right, str(row.get("time"))


def _counted(row: MutableRow, review: DatasetRow, label: str, base: DatasetRow) -> Outcome:
    if str(row.get(label)) == str(review.get(label)) and row.get(VOTE) != "down":
        return row, f"{COUNTED}: for {base.get(ORIGIN)}"
    return row, f"{OUTVOTED}: {review.get(REVIEWER)} decided for '{review.get(label)}'"


def _corrected(row: MutableRow, review: DatasetRow, outputs: Sequence[str]) -> MutableRow:
    """The row with the reviewer's answer; unchanged where it has that answer already."""
    right: Mapping[str, object] = {name: review[name] for name in outputs if name in review}
    row = _verify(row, review)
    if all(row.get(name) == value for name, value in right.items()):
        return row
    event = {name: review.get(name) for name in (EVENT, PLACE)}
    origin = {ORIGIN: review.get(ORIGIN)} if row.get(FEEDBACK) else {}
    return {**row, **right, **event, **origin}


def _verify(row: DatasetRow, review: DatasetRow) -> MutableRow:
    """The row, verified by a review."""
    return {**row, VOUCHED: "review", VOUCHED_AT: review.get("time")}
