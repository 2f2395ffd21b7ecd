"""How many similar examples to look up for each question, with the project's sentence encoder."""

from __future__ import annotations

from dataclasses import replace

from tidemill.errors import DataError
from tidemill.search import Arena, Random, best

VERSION = 1


def search(arena: Arena, rng: Random) -> None:  # noqa: ARG001 - nothing is drawn
    """1, 2, 4 … examples under the present instructions; then the best of them in other words."""
    ground = arena.ground
    if not ground.encoder:
        raise DataError(
            "method 'similar' looks examples up by a sentence encoder, and this project has none; "
            "add a Model with `task: sequence-classification`, or choose another method"
        )
    sizes = sorted({k for k in (1, 2, 4, 8, 16, 32, ground.most) if k <= ground.most})
    similar = replace(ground.start, examples=None, selection="similar")
    found = best(arena, [ground.start, *(replace(similar, k=k) for k in sizes)])
    for system in ground.wordings:
        arena.score(replace(found, system=system))
