"""Show examples that the model itself answers right, under the wording that suits it best.

Bootstrapped demonstrations as in DSPy's BootstrapFewShotWithRandomSearch (Khattab et al. 2023),
written for prompts that are rendered by a template.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidemill.search import Arena, Candidate, Random, Row, best, value

VERSION = 1
TRIES = 200
BLOCK = 16
ENOUGH = 4
"""Right rows wanted for each example that may be shown."""


def search(arena: Arena, rng: Random) -> None:
    """The wordings; then sets of examples that the model answers right, the larger ones first."""
    ground = arena.ground
    texts = dict.fromkeys([ground.start.system, *ground.wordings])
    base = best(arena, [replace(ground.start, system=text) for text in texts])
    if not ground.most or not ground.pool:
        return
    right = _right(arena, base, rng)
    for turn in range(TRIES):
        k = min(ground.most - turn % ground.most, len(ground.pool))
        shown = rng.sample(right, min(k, len(right)))
        rest = [row for row in ground.pool if row not in shown]  # labelled ones fill up
        shown = [*rng.sample(rest, k - len(shown)), *shown]
        arena.score(replace(base, examples=tuple(shown), k=k, selection="fixed"))


def _right(arena: Arena, base: Candidate, rng: Random) -> list[Row]:
    """Rows of the pool whose own answer is right: asked as they are, else after labelled examples.

    A graded metric calls no answer right; of those the better half is taken.
    """
    ground = arena.ground
    k = min(ground.most, len(ground.pool))
    labelled = replace(base, examples=tuple(rng.sample(ground.pool, k)), k=k, selection="fixed")
    found: list[tuple[float, Row]] = []
    for teacher in dict.fromkeys([base, labelled]) if base.k == 0 else [base]:
        for row, worth in _asked(arena, teacher, rng):
            found.append((worth, row))
            if sum(known >= 1 for known, _ in found) >= ENOUGH * ground.most:
                break
        right = [row for worth, row in found if worth >= 1]
        if right:
            return right
    graded = sorted((pair for pair in found if pair[0] > 0), key=lambda pair: -pair[0])
    return [row for _, row in graded[: max(1, len(graded) // 2)]]


def _asked(arena: Arena, teacher: Candidate, rng: Random) -> Iterator[tuple[Row, float]]:
    """A sample of the pool with what each answer is worth, asked block by block; at most a quarter
    of what is left of the budget."""
    ground = arena.ground
    count = min(len(ground.pool), ENOUGH * BLOCK, arena.left() // 4)
    rows = rng.sample(ground.pool, count)
    for start in range(0, count, BLOCK):
        block = rows[start : start + BLOCK]
        for row, scored in zip(block, arena.answers(teacher, block), strict=True):
            yield row, value(arena, scored)
