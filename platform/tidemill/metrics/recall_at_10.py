"""Share of rows whose wanted item is among the first ten."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Scored
from tidemill.metrics._ranks import DEPTH, place_of

VERSION = 1
KIND = "proportion"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def score(answers: Sequence[Scored]) -> list[float]:
    """1 for a row whose item is there, 0 for another."""
    places = (place_of(scored) for scored in answers)
    return [float(place is not None and place <= DEPTH) for place in places]
