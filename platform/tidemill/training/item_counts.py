"""From visits to the counts that a recommender answers by.

An item that is in no visit borrows the counts of the items whose words are most like its own, so
that it can be recommended before anybody had it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tidemill.data.catalogue import Catalogue
from tidemill.data.item_counts import Floats, SparseRows, count_pairs, count_visits
from tidemill.runtimes.item_scores import ItemCounts

SPACING = 0.9
"""What an item further on in a visit counts against the one before it."""
LENDERS = 5
"""Similar items that an item without visits borrows from."""
Encode = Callable[[list[str]], Floats]
"""Texts to vectors of length one, (n, size)."""
Lenders = Mapping[int, Mapping[int, float]]
"""Place of an item without visits → the items that lend it theirs, with shares that add up to 1."""


def find_lenders(visits: Sequence[Sequence[str]], catalogue: Catalogue, encode: Encode) -> Lenders:
    """The most similar items with visits, for each item without; the encoder is not asked where
    every item has one."""
    counts = count_visits(visits, catalogue.place)
    without, present = np.flatnonzero(counts == 0), np.flatnonzero(counts)
    if not len(without) or not len(present):
        return {}
    vectors = encode([item.description for item in catalogue.items])
    lenders = {}
    for place in without.tolist():
        similarity = np.clip(vectors[present] @ vectors[place], 0, None) ** 2
        nearest = np.argsort(-similarity, kind="stable")[:LENDERS]
        total = float(similarity[nearest].sum())
        if total > 0:
            lenders[place] = {int(present[i]): float(similarity[i]) / total for i in nearest}
    return lenders


def count_items(
    visits: Sequence[Sequence[str]], catalogue: Catalogue, lenders: Lenders
) -> ItemCounts:
    """The counts of visits (item ids, oldest first), with what is lent."""
    place = catalogue.place
    counts = count_visits(visits, place)
    for borrower, shares in lenders.items():
        counts[borrower] = sum(share * counts[lender] for lender, share in shares.items())
    follows = _lend(count_pairs(visits, place, spacing=SPACING), lenders)
    together = _lend(count_pairs(visits, place), lenders)
    norm = np.maximum(counts, 1)
    return ItemCounts(
        counts / max(float(counts.sum()), 1.0), follows.cosine(norm), together.cosine(norm)
    )


def _lend(pairs: SparseRows, lenders: Lenders) -> SparseRows:
    """The pairs with those of borrowers: each has its lenders' pairs, by their shares."""
    if not lenders:
        return pairs
    size = len(pairs.start) - 1
    own: dict[int, dict[int, float]] = defaultdict(dict)
    for borrower, shares in lenders.items():
        for lender, share in shares.items():
            own[lender][borrower] = share
    cells: dict[tuple[int, int], float] = defaultdict(float)
    for row in range(size):
        for cell in range(pairs.start[row], pairs.start[row + 1]):
            column, value = int(pairs.columns[cell]), float(pairs.values[cell])
            for left, first in ((row, 1.0), *own[row].items()):
                for right, second in ((column, 1.0), *own[column].items()):
                    if left != right:
                        cells[left, right] += value * first * second
    return SparseRows.of_cells(cells, size)
