"""Prompt search: candidates, the search space, and the evaluator that scores candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Literal, Protocol

from tidemill.metrics import Scored, measure
from tidemill.rows import DatasetRow

__all__ = [
    "Candidate",
    "Evaluator",
    "Random",
    "SearchSpace",
    "UserComment",
    "best_candidate",
    "row_score",
]


@dataclass(frozen=True)
class Candidate:
    """A prompt that may be better: what it changes of the one there is."""

    system: str
    """The instructions."""
    examples: tuple[DatasetRow, ...] | None = None
    """The worked examples, in the order they are shown; None draws them from the dataset."""
    k: int = 0
    """Number of examples that are shown."""
    selection: Literal["fixed", "random", "similar"] = "fixed"

    @cached_property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits of what it says."""
        content = [self.system, self.examples, self.k, self.selection]
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True)
class UserComment:
    """A user's comment on an answer, or its correction, without the user's id."""

    inputs: DatasetRow
    """The inputs that were answered."""
    question: str
    """The inputs as one normalised text; equals the question of the row that asks the same."""
    answer: str
    comment: str = ""
    correction: str = ""
    """The answer as the user corrected it; empty for a comment."""


@dataclass(frozen=True)
class SearchSpace:
    """Rows, wordings and limits that a search method may use; no deciding rows are among them."""

    initial: Candidate
    """The prompt as it is."""
    pool: tuple[DatasetRow, ...]
    """Rows that may be shown as examples; those that people verified come first, newest first."""
    ranking_rows: tuple[DatasetRow, ...]
    """Rows that rank the candidates."""
    inputs: tuple[str, ...]
    """Columns that are the question."""
    metric: str
    max_examples: int
    """Most examples that may be shown."""
    wordings: tuple[str, ...] = ()
    """Instructions that follow from what the spec says an answer is."""
    encoder: str = ""
    """The project's sentence encoder; empty where there is none."""
    comments: tuple[UserComment, ...] = field(default=(), repr=False)
    verified: int = 0
    """Number of rows at the head of `pool` that people verified."""


class Evaluator(Protocol):
    """Scores candidates within a budget; a call that would exceed it raises OverBudget."""

    space: SearchSpace

    def score(self, candidate: Candidate) -> float | None:
        """Its value on the ranking rows, and on record; None where the model cannot take it."""

    def scored_answers(self, candidate: Candidate, rows: Sequence[DatasetRow]) -> list[Scored]:
        """The model's answers to rows of the pool or the ranking rows, each with its reference."""

    def remaining_rows(self) -> int:
        """Number of rows that the rest of the budget pays for."""

    def reflect(self, prompt: str) -> str:
        """The reflection model's answer; raises ServiceError where none is configured."""


def row_score(evaluator: Evaluator, one: Scored) -> float:
    """A row's own value, more is better and 1 is the best there is."""
    return measure(evaluator.space.metric, [one])


def best_candidate(evaluator: Evaluator, candidates: Sequence[Candidate]) -> Candidate:
    """The best of a few, tried in their order; the first wins a tie."""
    scored = [(candidate, evaluator.score(candidate)) for candidate in candidates]
    return max(scored, key=lambda pair: float("-inf") if pair[1] is None else pair[1])[0]
