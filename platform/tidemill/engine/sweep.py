"""Which settings a sweep tries, and which rows rank them: pure, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from random import Random
from typing import Any

from tidemill.data.rows import hash_fraction

Setting = Mapping[str, Any]
"""Dotted field → value."""


def settings(
    space: Mapping[str, Sequence[Any]], present: Setting, trials: int, seed: int
) -> list[dict[str, Any]]:
    """At most `trials` settings of the space: all of it where it is that small, else drawn without
    replacement. The present setting is none of them: it is what they are compared with."""
    names = sorted(space)
    size = prod(len(space[name]) for name in names)
    rng = Random(seed)
    places = range(size) if size <= trials + 1 else rng.sample(range(size), min(size, trials + 1))
    found = [dict(zip(names, _at(space, names, place), strict=True)) for place in places]
    return [one for one in found if not all(present[n] == one[n] for n in names)][:trials]


def _at(space: Mapping[str, Sequence[Any]], names: Sequence[str], place: int) -> list[Any]:
    """The place-th point of the grid, the last name varying fastest."""
    values = []
    for name in reversed(names):
        place, index = divmod(place, len(space[name]))
        values.append(space[name][index])
    return values[::-1]


def halves(questions: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the rows that rank and of those that decide; a question stands on one side only."""
    ranking = [hash_fraction("sweep", question) < 0.5 for question in questions]
    places = range(len(questions))
    return [p for p in places if ranking[p]], [p for p in places if not ranking[p]]
