"""What visitors had, and what they had together, as numbers by place in a catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidemill.answer import Answer

Floats = npt.NDArray[np.float64]
DEPTH = 100
"""Places of a ranking that are kept."""
SHOWN = 10
"""Places of a ranking that visitors get."""


@dataclass(frozen=True)
class SparseRows:
    """A square matrix of which most cells are 0: the cells of row i are those from `start[i]` to
    `start[i + 1]` (compressed sparse rows)."""

    start: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]

    @classmethod
    def of_cells(cls, cells: Mapping[tuple[int, int], float], size: int) -> SparseRows:
        """From values by row and column."""
        ordered = sorted(cells)
        start = np.zeros(size + 1, np.int64)
        np.add.at(start, [row + 1 for row, _ in ordered], 1)
        columns = np.array([column for _, column in ordered], np.int32)
        values = np.array([cells[cell] for cell in ordered], np.float32)
        return cls(np.cumsum(start), columns, values)

    def cells(self, row: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """The columns and values of a row that are not 0."""
        cells = slice(self.start[row], self.start[row + 1])
        return self.columns[cells], self.values[cells]

    def weighted_sum(self, rows: Sequence[int], weights: Sequence[float]) -> Floats:
        """The sum of these rows, each times its weight: (size,)."""
        total = np.zeros(len(self.start) - 1)
        for row, weight in zip(rows, weights, strict=True):
            columns, values = self.cells(row)
            total[columns] += weight * values
        return total

    def cosine(self, counts: Floats) -> SparseRows:
        """Each cell over the square root of both items' counts."""
        rows = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        norm = np.sqrt(counts[rows] * counts[self.columns])
        return replace(self, values=(self.values / norm).astype(np.float32))


def count_visits(visits: Iterable[Sequence[str]], place: Mapping[str, int]) -> Floats:
    """(items,): how many visits each item is in."""
    counts = np.zeros(len(place))
    for visit in visits:
        counts[visit_places(visit, place)] += 1
    return counts


def count_pairs(
    visits: Iterable[Sequence[str]], place: Mapping[str, int], *, spacing: float | None = None
) -> SparseRows:
    """How often the column's item is in a visit with the row's item.

    With `spacing` only where it came later: one step later it counts 1, and with each further step
    `spacing` times as much.
    """
    cells: dict[tuple[int, int], float] = defaultdict(float)
    for visit in visits:
        items = visit_places(visit, place)
        for i, first in enumerate(items):
            for j, second in enumerate(items):
                if spacing is None and i != j:
                    cells[first, second] += 1
                elif spacing is not None and j > i:
                    cells[first, second] += spacing ** (j - i - 1)
    return SparseRows.of_cells(cells, len(place))


def recency_weights(count: int, decay: float) -> list[float]:
    """Weights of so many items, oldest first: the newest counts 1, each older one `decay` times as
    much."""
    return [decay**age for age in reversed(range(count))]


def rank_items(scores: Floats, history: Iterable[str], items: Sequence[str]) -> Answer:
    """The best items without those of the history; of equal scores the first of the catalogue."""
    left_out = set(history)
    order = np.argsort(-scores, kind="stable")
    ranking = [items[place] for place in order[: DEPTH + len(left_out)]]
    return ranked_answer([item for item in ranking if item not in left_out][:DEPTH], len(items))


def ranked_answer(ranking: Sequence[str], candidates: int) -> Answer:
    """The answer that recommends these items, the best first, out of so many."""
    label = ranking[0] if ranking else None
    text = ", ".join(ranking[:SHOWN])
    return Answer(text, label, ranking=tuple(ranking), candidates=candidates)


def visit_places(visit: Sequence[str], place: Mapping[str, int]) -> list[int]:
    """Each item of a visit once, at its first time."""
    return list(dict.fromkeys(place[item] for item in visit if item in place))
