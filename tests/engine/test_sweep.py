"""A sweep tries what the space says, never the present setting, and splits validation cleanly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.sweep import draw_settings, split_halves

SPACES = st.dictionaries(
    st.sampled_from(["train.epochs", "train.seed", "options.r"]),
    st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True),
    min_size=1,
)


def grid(space: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The whole space in order."""
    names = sorted(space)
    points = product(*(space[name] for name in names))
    return [dict(zip(names, point, strict=True)) for point in points]


@given(SPACES, st.integers(1, 8), st.integers(0, 3))
def test_settings_are_points_of_the_space_each_once(
    space: dict[str, list[int]], trials: int, seed: int
) -> None:
    present = {name: values[0] for name, values in space.items()}
    found = draw_settings(space, present, trials, seed)

    assert all(one in grid(space) for one in found)
    assert present not in found
    assert len(found) == len({tuple(sorted(one.items())) for one in found})
    assert len(found) <= trials
    assert found == draw_settings(space, present, trials, seed)


def test_a_space_that_fits_is_tried_whole_and_in_order() -> None:
    space = {"train.epochs": [1, 2], "options.r": [4, 8]}
    found = draw_settings(space, {"train.epochs": 1, "options.r": 4}, 3, 0)

    assert found == [one for one in grid(space) if one != {"options.r": 4, "train.epochs": 1}]


@given(st.lists(st.text("abc", min_size=1, max_size=3)))
def test_a_question_ranks_or_decides_never_both(questions: list[str]) -> None:
    ranking, deciding = split_halves(questions)

    assert sorted(ranking + deciding) == list(range(len(questions)))
    assert not {questions[p] for p in ranking} & {questions[p] for p in deciding}
