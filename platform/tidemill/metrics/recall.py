"""Share of each label's rows that were found, averaged over labels."""

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
    """Recall = tp / (tp + fn), averaged over the labels that occur."""
    return macro(sums, 0.0, 1.0)
