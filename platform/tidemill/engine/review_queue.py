"""Which rows are worth a human minute most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["contested", "new label", "doubted"]
"""People do not agree; nobody confirmed that the label exists; a model contradicts the label."""
EXISTS = 0.5
"""Doubt about a new label: whether it is one is open."""


@dataclass(frozen=True)
class ReviewCandidate:
    """One question that a reviewer may settle."""

    id: str
    reason: Reason
    label: str
    """The label it has, or the likeliest one."""
    rows: int
    """Rows that the verdict decides on."""
    doubt: float
    """Probability that the label is not right, 0 to 1."""


@dataclass(frozen=True)
class QueueEntry:
    """A question in its place in the queue."""

    candidate: ReviewCandidate
    worth: float
    """Rows that a verdict is expected to put right."""


def queue(candidates: Sequence[ReviewCandidate]) -> list[QueueEntry]:
    """The candidates by worth, most first.

    The first question with a new label stands for all that wait for it: one verdict confirms the
    label for all of them.
    """
    waiting: Counter[str] = Counter()
    for candidate in candidates:
        if candidate.reason == "new label":
            waiting[candidate.label] += candidate.rows
    entries: list[QueueEntry] = []
    confirming: set[str] = set()
    for candidate in sorted(candidates, key=lambda c: (-c.rows * c.doubt, c.id)):
        rows, doubt = candidate.rows, candidate.doubt
        if candidate.reason == "new label":
            first = candidate.label not in confirming
            rows, doubt = waiting[candidate.label] if first else rows, EXISTS if first else doubt
            confirming.add(candidate.label)
        entries.append(QueueEntry(candidate, rows * doubt))
    return sorted(entries, key=lambda entry: (-entry.worth, entry.candidate.id))
