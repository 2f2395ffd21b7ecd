"""Scores of items for a history, from the visits of others.

Four experts each give every item a share: what came after the history's items (`follows`), what
similar visits hold (`neighbours`) and what came next in them (`after`), and what is popular. The
score is the weighted sum of the shares' logarithms, as in a product of experts (Hinton 2002). An
item that is in no visit has the shares of the items that lend it theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tidemill.data.item_counts import Floats, SparseRows, recency_weights
from tidemill.data.visit_index import SimilarVisits, VisitIndex

EXPERTS = ("follows", "neighbours", "after", "popularity")
FLOOR = 1e-3
"""Added to a share before its logarithm: what was never seen is rare, not impossible."""
NEIGHBOURS = 100
"""Similar visits that are looked at."""
SPACING = 0.9
"""What an item further on in a visit counts against the one before it."""


@dataclass(frozen=True)
class ItemMemory:
    """What visits say of the items, by place in the catalogue."""

    visits: VisitIndex
    follows: SparseRows
    """How often the column's item came after the row's, over the root of both items' visits."""
    lenders: SparseRows
    """Row: an item without visits; columns: those that lend it theirs, with shares that add up
    to 1. Empty for an item with visits."""

    def experts(self, places: Sequence[int], decay: float) -> Floats | None:
        """(experts, items): the logarithm of each expert's share, for a history of these places;
        None where the visits know nothing of it."""
        history = self._history(places, decay)
        followed = self.follows.weighted_sum(list(history), list(history.values()))
        nearest = self.visits.nearest(history, NEIGHBOURS)
        if not len(nearest.similarity):
            return None
        shares = [followed, self._neighbours(nearest), self._after(nearest, history)]
        lent = [_share(self._lend(share)) for share in (*shares, self.visits.counts)]
        return np.log(FLOOR + np.stack(lent))

    @cached_property
    def popularity(self) -> Floats:
        """(items,): share of each item in all visits; adds up to 1."""
        return _share(self._lend(self.visits.counts))

    def _history(self, places: Sequence[int], decay: float) -> dict[int, float]:
        """Weight of each place; an item without visits stands for those that lend it theirs."""
        history: dict[int, float] = defaultdict(float)
        for place, weight in zip(places, recency_weights(len(places), decay), strict=True):
            lenders, shares = self.lenders.cells(place)
            if not len(lenders):
                history[place] += weight
            for lender, share in zip(lenders.tolist(), shares.tolist(), strict=True):
                history[lender] += weight * share
        return dict(history)

    def _neighbours(self, nearest: SimilarVisits) -> Floats:
        """Items of similar visits; a common one counts less."""
        weights = nearest.similarity[nearest.visit] ** 2
        total = np.bincount(nearest.items, weights, minlength=self.visits.size).astype(np.float64)
        return total / np.sqrt(np.maximum(self.visits.counts, 1))

    def _after(self, nearest: SimilarVisits, history: Mapping[int, float]) -> Floats:
        """Items of similar visits after the last one that the history has too."""
        shared = np.isin(nearest.items, list(history))
        last = np.zeros(len(nearest.similarity), dtype=np.int64)
        np.maximum.at(last, nearest.visit[shared], nearest.step[shared])
        steps = nearest.step - last[nearest.visit] - 1
        later = steps >= 0
        weights = nearest.similarity[nearest.visit[later]] * SPACING ** steps[later]
        counted = np.bincount(nearest.items[later], weights, minlength=self.visits.size)
        return counted.astype(np.float64)

    def _lend(self, share: Floats) -> Floats:
        """The share with that of borrowers filled in."""
        lent = share.copy()
        for place in self._borrowers:
            lenders, shares = self.lenders.cells(place)
            lent[place] = share[lenders] @ shares
        return lent

    @cached_property
    def _borrowers(self) -> list[int]:
        return np.flatnonzero(np.diff(self.lenders.start)).tolist()


@dataclass(frozen=True)
class ItemScorer:
    """The memory, and how much each expert says."""

    memory: ItemMemory
    weights: Mapping[str, float]
    """Weight of each of `EXPERTS`."""
    decay: float
    """Weight of an item of the history against the one after it."""

    def probabilities(self, places: Sequence[int]) -> Floats:
        """(items,): how probable each item is to come next; 0 for those of the history. Popularity
        alone decides where the visits know nothing of the history."""
        experts = self.memory.experts(places, self.decay)
        if experts is None:
            powers = self.memory.popularity.copy()
        else:
            scores = np.array([self.weights[name] for name in EXPERTS]) @ experts
            powers = np.exp(scores - scores.max())
        powers[list(places)] = 0
        return _share(powers)


def _share(values: Floats) -> Floats:
    """Values over their sum; zeros stay zeros."""
    total = float(values.sum())
    return values / total if total > 0 else values
