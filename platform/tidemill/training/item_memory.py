"""From visits to what a recommender remembers of them.

An item that is in no visit borrows from the items whose words are most like its own, so that it can
be recommended before anybody had it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tidemill.data.catalogue import Catalogue
from tidemill.data.item_counts import Floats, SparseRows, count_pairs
from tidemill.data.visit_index import VisitIndex
from tidemill.runtimes.item_scores import SPACING, ItemMemory

LENDERS = 5
"""Similar items that an item without visits borrows from."""
Encode = Callable[[list[str]], Floats]
"""Texts to vectors of length one, (n, size)."""
Lenders = Mapping[tuple[int, int], float]
"""Share by place of the borrower and of the lender; a borrower's shares add up to 1."""


def remember(visits: Sequence[Sequence[str]], catalogue: Catalogue, lenders: Lenders) -> ItemMemory:
    """The memory of visits (item ids, oldest first)."""
    index = VisitIndex.of(visits, catalogue.place)
    pairs = count_pairs(visits, catalogue.place, spacing=SPACING)
    follows = pairs.cosine(np.maximum(index.counts, 1))
    return ItemMemory(index, follows, SparseRows.of_cells(lenders, len(catalogue.items)))


def find_lenders(visits: Sequence[Sequence[str]], catalogue: Catalogue, encode: Encode) -> Lenders:
    """The most similar items with visits, for each item without; the encoder is not asked where
    every item has one."""
    counts = VisitIndex.of(visits, catalogue.place).counts
    without, present = np.flatnonzero(counts == 0), np.flatnonzero(counts)
    if not len(without) or not len(present):
        return {}
    vectors = encode([item.description for item in catalogue.items])
    lenders: dict[tuple[int, int], float] = {}
    for place in without.tolist():
        similarity = np.clip(vectors[present] @ vectors[place], 0, None) ** 2
        nearest = np.argsort(-similarity, kind="stable")[:LENDERS]
        total = float(similarity[nearest].sum())
        for i in nearest if total > 0 else ():
            lenders[place, int(present[i])] = float(similarity[i]) / total
    return lenders
