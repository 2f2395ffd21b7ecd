"""F1 of each label, averaged over labels, so that a rare label counts as much as a common one."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.metrics import Scored
from tidemill.metrics._labels import Counts, hits_and_misses, macro

VERSION = 1
KIND = "corpus"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True


def statistics(answers: Sequence[Scored]) -> Counts:
    """Counts per row and label, shape (rows, 3 * labels)."""
    return hits_and_misses(answers)


def combine(sums: Counts) -> Counts:
    """F1 = tp / (tp + fp/2 + fn/2), averaged over the labels that occur."""
    return macro(sums, 0.5, 0.5)
