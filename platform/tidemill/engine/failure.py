"""Which answers of a service failed, and what should have been answered.

A failure is an answer that a user got and that a reviewer contradicts, a user corrected, or users
rate below the middle; and a test row that the release got wrong. Who is outvoted says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tidemill.answer import Answer
from tidemill.rows import DatasetRow

MIDDLE = 0.5
"""A rating or a score below it is bad."""
Reason = Literal["rated bad", "corrected", "reviewed", "wrong in the evaluation"]
Agreement = Literal["reviewed", "agreed", "contested", "unverified", "test row"]
"""Who vouches for what should have been answered: a reviewer; several people, or a file; people
who do not agree; one person or nobody; the evaluation's own row."""

SHADOW = "answers of a shadow, which no user got"
REJECTED = "a reviewer rejected the question"
CONFIRMED = "a reviewer confirmed the answer"
OUTVOTED = "others, or a reviewer, decided otherwise"


@dataclass(frozen=True)
class AnswerSignal:
    """What one person said of an answer."""

    kind: str
    """thumbs, score, outcome, correction or review; other kinds say nothing here."""
    time: datetime
    person: str = ""
    """A subject or a reviewer; empty for somebody anonymous."""
    rating: float | None = None
    """0 (bad) to 1 (good)."""
    expected: Answer | None = None
    """Of a correction or a review: the right answer."""
    verdict: str = ""
    """Of a review: `answer`, `reject` or `reopen`."""
    is_outvoted: bool = False
    """True where the dataset left it out because others decided otherwise."""


@dataclass(frozen=True)
class Settlement:
    """What all that was said of a question came to."""

    label: str
    agreement: Agreement
    is_rejected: bool = False
    """True where a reviewer took the question out."""


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer that somebody said something about."""

    response_id: str
    question: str
    columns: DatasetRow
    """The question by column."""
    answer: Answer
    release: str
    subject: str
    time: datetime
    signals: Sequence[AnswerSignal]
    is_shadow: bool = False
    settlement: Settlement | None = None
    """None where nothing was settled about the question."""


@dataclass(frozen=True)
class Failure:
    """An answer of the service, or to a test row, that was wrong."""

    id: str
    """Of the response, or of the test row."""
    question: str
    columns: DatasetRow
    """The question by column."""
    answered: Answer
    expected: Answer | None
    """None where nobody said what would be right."""
    reasons: tuple[Reason, ...]
    agreement: Agreement
    release: str
    """Digest of the release that answered."""
    subject: str = ""
    time: datetime | None = None
    """When it was answered; None for a test row."""

    @property
    def is_test_row(self) -> bool:
        """True for a row of the evaluation."""
        return self.agreement == "test row"


@dataclass(frozen=True)
class FailureSelection:
    """The failures of a service, and what was left out."""

    failures: tuple[Failure, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    """Answers by the reason why they count nowhere."""


def select_failures(answers: Sequence[JudgedAnswer]) -> FailureSelection:
    """The failures among answers that were judged; who is content is neither failure nor left
    out."""
    failures: list[Failure] = []
    left_out: dict[str, int] = {}
    for answer in answers:
        outcome = judge_answer(answer)
        if isinstance(outcome, Failure):
            failures.append(outcome)
        elif outcome:
            left_out[outcome] = left_out.get(outcome, 0) + 1
    return FailureSelection(tuple(failures), left_out)


def judge_answer(answer: JudgedAnswer) -> Failure | str | None:
    """The failure, the reason why it counts nowhere, or None for an answer that is right."""
    if answer.is_shadow:
        return SHADOW
    review = _newest_review(answer.signals)
    settled = answer.settlement
    if review is not None and review.verdict == "answer":
        if review.expected is None or is_same(answer.answer, review.expected):
            return CONFIRMED
        return _failure(answer, review.expected, "reviewed")
    if (review is not None and review.verdict == "reject") or (settled and settled.is_rejected):
        return REJECTED
    complaints = [signal for signal in answer.signals if _is_complaint(signal, answer)]
    if not complaints:
        return None
    counted = [signal for signal in complaints if not _is_outvoted(signal, answer)]
    if not counted:
        return OUTVOTED
    return _failure(answer, _right_answer(answer, counted), _agreement(settled))


def is_same(answer: Answer, expected: Answer) -> bool:
    """True where label and words are the same, but for case and white space."""
    return _fold(answer.label) == _fold(expected.label) and (
        _fold(answer.text) == _fold(expected.text)
    )


def _newest_review(signals: Sequence[AnswerSignal]) -> AnswerSignal | None:
    reviews = [signal for signal in signals if signal.kind == "review"]
    return max(reviews, key=lambda signal: signal.time, default=None)


def _is_complaint(signal: AnswerSignal, answer: JudgedAnswer) -> bool:
    if signal.kind == "correction":
        return signal.expected is not None and not is_same(answer.answer, signal.expected)
    return signal.kind != "review" and signal.rating is not None and signal.rating < MIDDLE


def _is_outvoted(signal: AnswerSignal, answer: JudgedAnswer) -> bool:
    """True where what was settled contradicts the complaint."""
    settled, label = answer.settlement, answer.answer.label
    if signal.is_outvoted or settled is None or settled.agreement not in ("reviewed", "agreed"):
        return signal.is_outvoted
    if signal.expected is not None:
        return _fold(signal.expected.label) != _fold(settled.label)
    is_label_alone = answer.answer.text in ("", label)
    return is_label_alone and _fold(label) == _fold(settled.label)


def _right_answer(answer: JudgedAnswer, complaints: Sequence[AnswerSignal]) -> Answer | None:
    """The newest correction that counts; without one the label that was settled."""
    corrections = [signal for signal in complaints if signal.expected is not None]
    if corrections:
        return max(corrections, key=lambda signal: signal.time).expected
    settled = answer.settlement
    differs = settled and _fold(settled.label) != _fold(answer.answer.label)
    return Answer(settled.label, settled.label) if settled and settled.label and differs else None


def _agreement(settled: Settlement | None) -> Agreement:
    return settled.agreement if settled else "unverified"


def _failure(answer: JudgedAnswer, expected: Answer | None, agreement: Agreement) -> Failure:
    kinds = {signal.kind for signal in answer.signals if _is_complaint(signal, answer)}
    reasons: list[Reason] = ["rated bad"] if kinds - {"correction"} else []
    reasons += ["corrected"] if "correction" in kinds else []
    reasons += ["reviewed"] if agreement == "reviewed" else []
    return Failure(
        answer.response_id, answer.question, answer.columns, answer.answer, expected,
        tuple(reasons), agreement, answer.release, answer.subject, answer.time,
    )  # fmt: skip


def _fold(text: str | None) -> str:
    return " ".join((text or "").split()).casefold()
