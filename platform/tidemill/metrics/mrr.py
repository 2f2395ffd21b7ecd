"""Mean reciprocal rank: one over the place of the wanted item, 0 where it is not in the ranking."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Scored
from tidemill.metrics._ranks import place_of

VERSION = 1
KIND = "rows"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def score(answers: Sequence[Scored]) -> list[float]:
    """The reciprocal place of each row's item."""
    places = (place_of(scored) for scored in answers)
    return [1 / place if place else 0.0 for place in places]
