"""Share of the catalogue that was among the first ten of any answer.

It describes these rows: other rows would add items, so it has no interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidemill.metrics import Scored
from tidemill.metrics._ranks import DEPTH

VERSION = 1
KIND = "corpus"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = False
EXACT = True

Sums = npt.NDArray[np.float64]


def statistics(answers: Sequence[Scored]) -> Sums:
    """Array (rows, items + 2): a mark for each item in the answer, the catalogue's size, and 1."""
    lists = [scored.answer.ranking[:DEPTH] for scored in answers]
    index = {item: place for place, item in enumerate(sorted({i for each in lists for i in each}))}
    marks = np.zeros((len(answers), len(index) + 2))
    for row, (items, scored) in enumerate(zip(lists, answers, strict=True)):
        marks[row, [index[item] for item in items]] = 1
        marks[row, -2:] = scored.answer.candidates, 1
    return marks


def combine(sums: Sums) -> Sums:
    """Items with a mark over the size of the catalogue; 0 where nothing was ranked."""
    recommended = (sums[..., :-2] > 0).sum(axis=-1)
    size = sums[..., -2] / np.maximum(sums[..., -1], 1)
    share: Sums = recommended / np.maximum(size, 1)
    return share
