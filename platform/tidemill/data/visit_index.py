"""Visits of the past by their items, and which of them are like a history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidemill.data.item_counts import Floats, visit_places

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SimilarVisits:
    """Visits that are like a history, with their items one after the other."""

    similarity: Floats
    """(visits,): above 0, the largest first."""
    items: Integers
    """(cells,): the items of all of them."""
    visit: Integers
    """(cells,): the visit that the item is of, from 0."""
    step: Integers
    """(cells,): the item's place in its visit, from 0."""


@dataclass(frozen=True)
class VisitIndex:
    """The items of each visit in order, each once: those of visit v are `items[start[v]:start[v +
    1]]`, as places in a catalogue of `size` items."""

    start: Integers
    items: Integers
    size: int

    @classmethod
    def of(cls, visits: Iterable[Sequence[str]], place: Mapping[str, int]) -> VisitIndex:
        """From item ids; what the catalogue does not have is left out."""
        placed = [visit_places(visit, place) for visit in visits]
        start = np.cumsum([0, *map(len, placed)], dtype=np.int64)
        items = np.array([item for visit in placed for item in visit], dtype=np.int64)
        return cls(start, items, len(place))

    @cached_property
    def counts(self) -> Floats:
        """(items,): how many visits each item is in."""
        return np.bincount(self.items, minlength=self.size).astype(np.float64)

    def nearest(self, history: Mapping[int, float], most: int) -> SimilarVisits:
        """The visits most like a history (place → weight), at most so many.

        An item that both have adds its weight, more where it is rare; a long visit counts less.
        """
        similarity = np.zeros(len(self.start) - 1)
        for place, weight in history.items():
            visits = self._visits_of(place)
            if len(visits):
                similarity[visits] += weight * np.log(len(similarity) / len(visits))
        similarity /= np.sqrt(np.maximum(np.diff(self.start), 1))
        best = np.argsort(-similarity, kind="stable")[:most]
        chosen = best[similarity[best] > 0]
        length = np.diff(self.start)[chosen]
        visit = np.repeat(np.arange(len(chosen)), length)
        step = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
        items = self.items[np.repeat(self.start[chosen], length) + step]
        return SimilarVisits(similarity[chosen], items, visit, step)

    def _visits_of(self, place: int) -> Integers:
        starts, visits = self._by_item
        return visits[starts[place] : starts[place + 1]]

    @cached_property
    def _by_item(self) -> tuple[Integers, Integers]:
        """The visits of each item: where they begin, and all of them."""
        visits = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        order = np.argsort(self.items, kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        return starts, visits[order]
