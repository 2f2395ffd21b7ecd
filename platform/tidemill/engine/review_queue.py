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
    ordered = sorted(candidates, key=lambda c: (-c.rows * c.doubt, c.id))
    new = [candidate for candidate in ordered if candidate.reason == "new label"]
    first = {candidate.label: candidate for candidate in reversed(new)}
    waiting = Counter(label for c in new for label in [c.label] * c.rows)
    entries = [
        QueueEntry(c, waiting[c.label] * EXISTS if first.get(c.label) is c else c.rows * c.doubt)
        for c in ordered
    ]
    return sorted(entries, key=lambda entry: (-entry.worth, entry.candidate.id))
