"""Time that 95 of 100 answers do not exceed, in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Scored

VERSION = 1
KIND = "quantile"
BETTER = "lower"
RANGE = (0.0, None)
UNIT = "s"
NEEDS_REFERENCE = False
Q = 0.95


def score(answers: Sequence[Scored]) -> list[float]:
    """Seconds of each answer."""
    return [scored.seconds for scored in answers]
