"""The questions of a dataset that wait for a reviewer, the most useful first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.data.votes import SettledQuestion
from tidemill.engine.review_queue import QueueEntry, ReviewCandidate, queue

CHOICES = 9
"""Labels that are offered by a number."""


@dataclass(frozen=True)
class ReviewItem:
    """One question in its place in the queue."""

    entry: QueueEntry
    question: SettledQuestion

    @property
    def choices(self) -> list[str]:
        """Labels that people or the model found, the likeliest first."""
        return likely_labels(self.question)


def review_items(questions: Sequence[SettledQuestion]) -> list[ReviewItem]:
    """What waits for a review, by worth."""
    by_id = {question.id: question for question in questions}
    candidates = [c for question in by_id.values() if (c := _candidate(question)) is not None]
    return [ReviewItem(entry, by_id[entry.candidate.id]) for entry in queue(candidates)]


def likely_labels(question: SettledQuestion, most: int = CHOICES) -> list[str]:
    """The label of a question, the labels people chose, and those that the model finds likely."""
    people = [vote.label for vote in question.votes if vote.kind != "down" and vote.label]
    by_count = sorted(dict.fromkeys(people), key=lambda label: -people.count(label))
    likely = sorted(question.opinion, key=lambda label: -question.opinion[label])[:3]
    labels = [question.label, *by_count, *likely] if question.label else [*by_count, *likely]
    return list(dict.fromkeys(labels))[:most]


def _candidate(question: SettledQuestion) -> ReviewCandidate | None:
    """The question as a candidate; None where nothing about it is open."""
    rows, unsure = len(question.votes), 1 - question.confidence
    match question.state:
        case "contested":
            return ReviewCandidate(question.id, "contested", question.label, rows, unsure)
        case "new label":
            return ReviewCandidate(question.id, "new label", question.label, rows, unsure)
        case "settled" if question.doubt:
            return ReviewCandidate(question.id, "doubted", question.label, 1, question.doubt)
    return None
