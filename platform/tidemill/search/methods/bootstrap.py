"""Show examples that the model itself answers right, under the wording that suits it best.

Bootstrapped demonstrations as in DSPy's BootstrapFewShotWithRandomSearch (Khattab et al. 2023),
written for prompts that are rendered by a template.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidemill.rows import DatasetRow
from tidemill.search import Candidate, Evaluator, Random, best_candidate, row_score

VERSION = 2
TRIES = 200
BLOCK = 16
ENOUGH = 4
"""Right rows wanted for each example that may be shown."""


def search(evaluator: Evaluator, rng: Random) -> None:
    """The wordings; then the newest examples that people verified; then sets of examples that the
    model answers right, the larger ones first."""
    space = evaluator.space
    texts = dict.fromkeys([space.initial.system, *space.wordings])
    base = best_candidate(evaluator, [replace(space.initial, system=text) for text in texts])
    if not space.max_examples or not space.pool:
        return
    for k in range(min(space.max_examples, space.verified), 0, -1):
        evaluator.score(replace(base, examples=space.pool[:k], k=k, selection="fixed"))
    right = _right(evaluator, base, rng)
    for turn in range(TRIES):
        k = min(space.max_examples - turn % space.max_examples, len(space.pool))
        examples = rng.sample(right, min(k, len(right)))
        rest = [row for row in space.pool if row not in examples]  # labelled ones fill up
        examples = [*rng.sample(rest, k - len(examples)), *examples]
        evaluator.score(replace(base, examples=tuple(examples), k=k, selection="fixed"))


def _right(evaluator: Evaluator, base: Candidate, rng: Random) -> list[DatasetRow]:
    """Rows of the pool whose own answer is right: asked as they are, else after labelled examples.

    A graded metric calls no answer right; of those the better half is taken.
    """
    space = evaluator.space
    k = min(space.max_examples, len(space.pool))
    labelled = replace(base, examples=tuple(rng.sample(space.pool, k)), k=k, selection="fixed")
    scored_rows: list[tuple[float, DatasetRow]] = []
    for teacher in dict.fromkeys([base, labelled]) if base.k == 0 else [base]:
        for row, worth in _score_sample(evaluator, teacher, rng):
            scored_rows.append((worth, row))
            if sum(score >= 1 for score, _ in scored_rows) >= ENOUGH * space.max_examples:
                break
        right = [row for worth, row in scored_rows if worth >= 1]
        if right:
            return right
    graded = sorted((pair for pair in scored_rows if pair[0] > 0), key=lambda pair: -pair[0])
    return [row for _, row in graded[: max(1, len(graded) // 2)]]


def _score_sample(
    evaluator: Evaluator, teacher: Candidate, rng: Random
) -> Iterator[tuple[DatasetRow, float]]:
    """A sample of the pool with what each answer is worth, asked block by block; at most a quarter
    of what is left of the budget."""
    space = evaluator.space
    count = min(len(space.pool), ENOUGH * BLOCK, evaluator.remaining_rows() // 4)
    rows = rng.sample(space.pool, count)
    for start in range(0, count, BLOCK):
        block = rows[start : start + BLOCK]
        for row, scored in zip(block, evaluator.scored_answers(teacher, block), strict=True):
            yield row, row_score(evaluator, scored)
