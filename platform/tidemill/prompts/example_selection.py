"""Which worked examples and passages a row is shown; never the row itself."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidemill.errors import DataError
from tidemill.rows import DatasetRow

if TYPE_CHECKING:
    import numpy as np

    from tidemill.prompts.program import PromptProgram

_REMEMBERED = 4096


def select_examples(program: PromptProgram, row: DatasetRow) -> list[DatasetRow]:
    """At most k examples of the pool; the nearest stands last, next to the question."""
    if not program.examples:
        return []
    own = question_text(program, row)
    order = _order(program, own)
    chosen = [index for index in order if program.example_questions[index] != own][: program.k]
    if program.selection == "similar":
        chosen.reverse()
    return [program.examples[index] for index in chosen]


def select_passages(program: PromptProgram, row: DatasetRow) -> list[str]:
    """The k passages nearest to the question, nearest first."""
    if not program.passages:
        return []
    assert program.passage_embeddings is not None
    places = rank_by_similarity(program, question_text(program, row), program.passage_embeddings)
    return [program.passages[index] for index in places[: program.passages_k]]


def question_text(program: PromptProgram, row: DatasetRow) -> str:
    """The question of a row, as one text."""
    values = (row.get(name) for name in program.inputs)
    return "\n".join(
        value if isinstance(value, str) else json.dumps(value, default=str) for value in values
    )


def cache_embeddings(program: PromptProgram, questions: Sequence[str]) -> None:
    """Embed many questions at once, so that the next ones are at hand."""
    new = [
        question for question in dict.fromkeys(questions) if question not in program.embedding_cache
    ]
    if not new:
        return
    if program.encode is None:
        raise DataError(
            "this prompt looks for similar texts and got no sentence encoder; "
            "give `PromptProgram.load` the `encode` of the model its spec names"
        )
    if len(program.embedding_cache) + len(new) > _REMEMBERED:
        program.embedding_cache.clear()
    program.embedding_cache.update(zip(new, program.encode(new), strict=True))


def rank_by_similarity(
    program: PromptProgram, question: str, among: np.ndarray[Any, Any]
) -> list[int]:
    """Places by falling similarity; equal ones in their order."""
    cache_embeddings(program, [question])
    scores = among @ program.embedding_cache[question]
    order: list[int] = (-scores).argsort(kind="stable").tolist()
    return order


def _order(program: PromptProgram, question: str) -> Sequence[int]:
    count = len(program.examples)
    if program.selection == "similar":
        assert program.embeddings is not None
        return rank_by_similarity(program, question, program.embeddings)
    if program.selection == "random":
        seed = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big")
        # One row may be the question's own, and repeated questions are left out together.
        return random.Random(seed).sample(range(count), min(count, 2 * program.k + 8))
    return range(count)
