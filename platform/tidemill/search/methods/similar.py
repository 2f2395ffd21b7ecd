"""Search the number of similar examples for each question, by the project's sentence encoder."""

from __future__ import annotations

from dataclasses import replace

from tidemill.errors import DataError
from tidemill.search import Evaluator, Random, best_candidate

VERSION = 1


def search(evaluator: Evaluator, rng: Random) -> None:  # noqa: ARG001 - nothing is drawn
    """1, 2, 4 … examples under the present instructions; then the best of them in other words."""
    space = evaluator.space
    if not space.encoder:
        raise DataError(
            "method 'similar' looks examples up by a sentence encoder, and this project has none; "
            "add a Model with `task: sequence-classification`, or choose another method"
        )
    sizes = sorted({k for k in (1, 2, 4, 8, 16, 32, space.max_examples) if k <= space.max_examples})
    similar = replace(space.initial, examples=None, selection="similar")
    candidate = best_candidate(evaluator, [space.initial, *(replace(similar, k=k) for k in sizes)])
    for system in space.wordings:
        evaluator.score(replace(candidate, system=system))
