"""A question with its votes, as text for a reviewer and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from tidemill.data.votes import QuestionState, RecordedVote, SettledQuestion
from tidemill.engine.review_queue import Reason
from tidemill.planning.review_items import ReviewItem
from tidemill.rows import DatasetRow
from tidemill.terminal.amounts import format_count, strip_control

SUBJECT = 8
"""Characters of a subject's pseudonym that are shown; `feedback withdraw --subject` takes them."""
_WORDS = {"up": "agreed with", "down": "rejected", "label": "chose", "answer": "decided for"}
_VERDICTS = {"reject": "left it out", "reopen": "left it open"}
_KEYS = (
    "  1–9   the label with this number",
    "  text  any other label; `=s` for a label that is one of these letters",
    "  s     skip this row",
    "  x     reject the row: it is left out of the dataset",
    "  u     undo the last verdict",
    "  q     quit; what is decided stays decided",
)


class QuestionContent(TypedDict):
    """The JSON form of a question with its votes."""

    id: str
    question: DatasetRow
    """Its columns, without the answer's."""
    state: QuestionState
    label: str
    confidence: float
    votes: list[RecordedVote]
    opinion: dict[str, float]
    """What a model thinks, by label."""
    response_id: str | None


class QueueContent(QuestionContent):
    """The JSON form of a question that waits for a review."""

    reason: Reason
    worth: float
    choices: list[str]


def item_lines(item: ReviewItem, progress: str) -> Iterator[str]:
    """A question, who said what, the model's opinion, and the choices."""
    question = item.question
    yield f"\n{progress} · {item.entry.candidate.reason} · row {question.id}"
    for name, value in question.question.items():
        yield f"  {strip_control(name)}: {strip_control(str(value))}"
    yield from (f"  {vote_line(vote)}" for vote in question.votes)
    if question.opinion:
        likely = sorted(question.opinion.items(), key=lambda pair: -pair[1])[:3]
        each = ", ".join(f"'{strip_control(label)}' {share:.0%}" for label, share in likely)
        yield f"  the model: {each}"
    choices = (f"[{n}] {strip_control(label)}" for n, label in enumerate(item.choices, start=1))
    yield f"  {'  '.join(choices)}"
    yield "  or type a label · s skip · x reject · u undo · q quit · ? help"


def vote_line(vote: RecordedVote) -> str:
    """`user 3f2a91bc chose 'card' (right in about 80 %)`."""
    label = strip_control(vote.label)
    if vote.kind == "file":
        return f"{strip_control(vote.voter)} has '{label}'"
    if vote.kind in _VERDICTS:
        return f"{strip_control(vote.voter)} {_VERDICTS[vote.kind]}"
    is_user = vote.kind != "answer"
    name = f"user {vote.voter[:SUBJECT]}" if vote.voter and is_user else vote.voter
    known = "" if vote.accuracy is None else f" (right in about {vote.accuracy:.0%})"
    return f"{strip_control(name or 'somebody')} {_WORDS[vote.kind]} '{label}'{known}"


def help_lines(labels: Sequence[str]) -> Iterator[str]:
    """What can be typed, and the labels that exist."""
    yield from _KEYS
    yield f"  {format_count(len(labels), 'label')}: {', '.join(map(strip_control, labels))}"


def item_to_dict(item: ReviewItem) -> QueueContent:
    """A question of the queue for machines."""
    return {
        **question_to_dict(item.question),
        "reason": item.entry.candidate.reason,
        "worth": round(item.entry.worth, 3),
        "choices": item.choices,
    }


def question_to_dict(question: SettledQuestion) -> QuestionContent:
    """What became of a question, for machines."""
    return {
        "id": question.id,
        "question": question.question,
        "state": question.state,
        "label": question.label,
        "confidence": round(question.confidence, 3),
        "votes": list(question.votes),
        "opinion": {label: round(share, 3) for label, share in question.opinion.items()},
        "response_id": question.response_id,
    }
