"""How high the wanted item stands among the first ten: 1 at the first place, less further down.

Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) with one wanted item a row:
1 / log2(1 + place).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from tidemill.metrics import Scored
from tidemill.metrics._ranks import DEPTH, place_of

VERSION = 1
KIND = "rows"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def score(answers: Sequence[Scored]) -> list[float]:
    """The gain of each row; 0 where the item is not among the first ten."""
    places = (place_of(scored) for scored in answers)
    return [1 / log2(1 + place) if place and place <= DEPTH else 0.0 for place in places]
