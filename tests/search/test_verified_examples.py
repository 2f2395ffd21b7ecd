"""A search of examples tries the newest verified corrections before it draws any."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from tidemill.answer import Answer
from tidemill.errors import OverBudget
from tidemill.metrics import Scored
from tidemill.rows import DatasetRow
from tidemill.search import Candidate, SearchSpace
from tidemill.search.methods import bootstrap

POOL = tuple({"text": f"question {n}", "label": "a"} for n in range(12))


class Notebook:
    """An evaluator that writes down what it is asked, until its budget is used up."""

    def __init__(self, verified: int) -> None:
        self.space = SearchSpace(
            Candidate(""), POOL, POOL[:2], ("text",), "accuracy", max_examples=3, verified=verified
        )
        self.tried: list[Candidate] = []

    def score(self, candidate: Candidate) -> float | None:
        if len(self.tried) == 8:
            raise OverBudget("8 candidates")
        self.tried.append(candidate)
        return 0.5

    def scored_answers(self, candidate: Candidate, rows: Sequence[DatasetRow]) -> list[Scored]:
        return [Scored(Answer("a", "a"), Answer("a", "a")) for _ in rows]

    def remaining_rows(self) -> int:
        return 1000

    def reflect(self, prompt: str) -> str:
        raise NotImplementedError


def tried(verified: int) -> list[tuple[DatasetRow, ...] | None]:
    notebook = Notebook(verified)
    with suppress(OverBudget):
        bootstrap.search(notebook, Random(0))
    return [candidate.examples for candidate in notebook.tried]


def test_verified_corrections_are_tried_first_the_most_of_them_first() -> None:
    assert tried(2)[:3] == [None, POOL[:2], POOL[:1]]
    assert tried(9)[:4] == [None, POOL[:3], POOL[:2], POOL[:1]]


def test_without_them_examples_are_drawn_as_before() -> None:
    assert tried(0)[1] is not None
    assert POOL[:3] not in tried(0)
