"""Try instructions that follow from what an answer is; the examples stay as they are."""

from __future__ import annotations

from dataclasses import replace

from tidemill.search import Arena, Random

VERSION = 1


def search(arena: Arena, rng: Random) -> None:  # noqa: ARG001 - nothing is drawn
    """Each wording once."""
    start = arena.ground.start
    for system in dict.fromkeys([start.system, *arena.ground.wordings]):
        arena.score(replace(start, system=system))
