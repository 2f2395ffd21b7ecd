"""Which settings a sweep tries, and which rows rank them: pure, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from random import Random
from typing import Any

from tidemill.data.rows import hash_fraction

Setting = Mapping[str, object]
"""Dotted field → value."""


def draw_settings(
    space: Mapping[str, Sequence[Any]], current: Setting, trials: int, seed: int
) -> list[dict[str, object]]:
    """At most `trials` settings of the space: all of it where it is that small, else drawn without
    replacement. The present setting is none of them: it is what they are compared with."""
    names = sorted(space)
    size = prod(len(space[name]) for name in names)
    rng = Random(seed)
    points = range(size) if size <= trials + 1 else rng.sample(range(size), min(size, trials + 1))
    drawn = [dict(zip(names, _grid_point(space, names, point), strict=True)) for point in points]
    return [setting for setting in drawn if not all(current[n] == setting[n] for n in names)][
        :trials
    ]


def _grid_point(space: Mapping[str, Sequence[Any]], names: Sequence[str], point: int) -> list[Any]:
    """The place-th point of the grid, the last name varying fastest."""
    values = []
    for name in reversed(names):
        point, index = divmod(point, len(space[name]))
        values.append(space[name][index])
    return values[::-1]


def split_halves(questions: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the rows that rank and of those that decide; a question stands on one side only."""
    ranking = [hash_fraction("sweep", question) < 0.5 for question in questions]
    rows = range(len(questions))
    return [row for row in rows if ranking[row]], [row for row in rows if not ranking[row]]
