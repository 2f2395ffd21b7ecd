"""Draw instructions and worked examples at random, as long as the budget lasts."""

from __future__ import annotations

from dataclasses import replace

from tidemill.search import Arena, Random

VERSION = 1
TRIES = 200


def search(arena: Arena, rng: Random) -> None:
    """Any number of examples up to the most, any wording."""
    ground = arena.ground
    arena.score(ground.start)
    if not ground.most or not ground.pool:
        return
    for _ in range(TRIES):
        k = rng.randint(1, min(ground.most, len(ground.pool)))
        system = rng.choice([ground.start.system, *ground.wordings])
        shown = tuple(rng.sample(ground.pool, k))
        arena.score(replace(ground.start, system=system, examples=shown, k=k, selection="fixed"))
