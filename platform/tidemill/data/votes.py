"""What people said about the same question, put together; what becomes of it is decided above.

Each feedback row is a vote for a label, or a thumb about one. Rows of files and other sources that
ask the same vote too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.data.deduplicate import twins_of
from tidemill.data.rows import Dropped
from tidemill.rows import DatasetRow, MutableRow

CONTESTED = "contested"
OUTVOTED = "outvoted"
COUNTED = "counted as a vote"
RATED_BAD = "rated bad"
REJECTED = "rejected"
UNASKED = "review without a row"
Prior = Mapping[int, Mapping[str, float]]
"""Probabilities of labels by the place of a question's first row, see `data.label_noise`."""


@dataclass(frozen=True)
class Question:
    """Rows that ask the same, in their order."""

    item: str
    places: Sequence[int]


QuestionState = Literal["settled", "contested", "new label", "reviewed", "rejected"]
"""`new label` waits for people who choose the same; a reviewer settled what is `reviewed`, and took
out what is `rejected`."""


@dataclass(frozen=True)
class RecordedVote:
    """What one person, one reviewer or a file says of a question."""

    kind: Literal["label", "up", "down", "file", "answer", "reject", "reopen"]
    """What a user said; a file's label; or the verdict of a reviewer, which is one of the last."""
    label: str
    voter: str
    """A subject, a reviewer, or the file and line; empty for somebody anonymous."""
    time: str = ""
    accuracy: float | None = None
    """Estimated share of right votes of this person; None where nobody can say."""


@dataclass(frozen=True)
class SettledQuestion:
    """What becomes of one question that people said something about, or whose label is doubted."""

    id: str
    """12 hex digits of what it asks."""
    question: DatasetRow
    """Its columns, without the answer's."""
    state: QuestionState
    label: str
    """The label it has, or the likeliest one."""
    confidence: float
    """Probability of the label, 0 to 1."""
    votes: Sequence[RecordedVote]
    answers: Mapping[str, DatasetRow]
    """The newest answer that was given with each label, by column."""
    opinion: Mapping[str, float]
    """Probabilities of a model that has not seen the question; empty without one."""
    outputs: Sequence[str]
    """Columns of an answer, the label's first."""
    doubt: float = 0.0
    """How much more probable the model finds another label; 0 where it does not contradict."""
    response_id: str | None = None
    """An answer of the service to it; None where only files ask it."""
    source: str = ""
    """The source of its first row."""


@dataclass(frozen=True)
class SettledRows:
    """Rows with one label each, what was left out, and how reliable people were."""

    rows: list[MutableRow]
    dropped: Dropped
    crowd: float | None = None
    """Estimated accuracy of a person nobody knows; None where nobody voted."""
    questions: Sequence[SettledQuestion] = ()
    """Questions that people said something about, or whose label is doubted."""

    @property
    def contested(self) -> int:
        """Rows that wait for a review."""
        return sum(reason.startswith(CONTESTED) for _, reason in self.dropped)


SettleLabels = Callable[[Sequence[MutableRow], Sequence[Question]], SettledRows]
"""From rows and their questions to one row for each question that people voted on."""


def questions(rows: Sequence[DatasetRow], near: float | None) -> list[Question]:
    """Rows by what they ask; near-equal questions count as one where `near` is a Jaccard
    similarity."""
    first = twins_of(rows, near)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(rows)):
        groups[first.get(place, place)].append(place)
    return [Question(str(place), members) for place, members in sorted(groups.items())]
