"""Share of rows whose label is right; where the output has no label, whose text is."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Scored
from tidemill.metrics._judged import compared_texts

VERSION = 1
KIND = "proportion"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def score(answers: Sequence[Scored]) -> list[float]:
    """1 for a right row, 0 for a wrong one."""
    pairs = (compared_texts(scored.reference, scored.answer) for scored in answers)
    return [float(expected == predicted) for expected, predicted in pairs]
