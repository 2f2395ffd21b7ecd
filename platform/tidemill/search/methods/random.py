"""Draw instructions and worked examples at random, as long as the budget lasts."""

from __future__ import annotations

from dataclasses import replace

from tidemill.search import Evaluator, Random

VERSION = 1
TRIES = 200


def search(evaluator: Evaluator, rng: Random) -> None:
    """Any number of examples up to the most, any wording."""
    space = evaluator.space
    evaluator.score(space.initial)
    if not space.max_examples or not space.pool:
        return
    for _ in range(TRIES):
        k = rng.randint(1, min(space.max_examples, len(space.pool)))
        system = rng.choice([space.initial.system, *space.wordings])
        examples = tuple(rng.sample(space.pool, k))
        evaluator.score(
            replace(space.initial, system=system, examples=examples, k=k, selection="fixed")
        )
