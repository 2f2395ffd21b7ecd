"""Try instructions that follow from what an answer is; the examples stay as they are."""

from __future__ import annotations

from dataclasses import replace

from tidemill.search import Evaluator, Random

VERSION = 1


def search(evaluator: Evaluator, rng: Random) -> None:  # noqa: ARG001 - nothing is drawn
    """Each wording once."""
    start = evaluator.space.initial
    for system in dict.fromkeys([start.system, *evaluator.space.wordings]):
        evaluator.score(replace(start, system=system))
