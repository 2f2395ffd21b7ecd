"""Rows of two makings of a dataset: each is the same, moved, changed, added or removed, once."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidemill.data import SPLITS
from tidemill.data.compare import compare, new_rows, source_lines
from tidemill.data.rows import ORIGIN
from tidemill.rows import DatasetRow

ROWS = st.lists(
    st.fixed_dictionaries({"text": st.sampled_from("abcd"), "label": st.sampled_from("xy")}),
    max_size=6,
)
SIDES = st.fixed_dictionaries(dict.fromkeys(SPLITS, ROWS))


def row(text: str, label: str = "x", **more: Any) -> DatasetRow:
    return {"text": text, "label": label, **more}


@given(SIDES)
def test_a_side_against_itself_differs_in_nothing(side: dict[str, list[DatasetRow]]) -> None:
    found = compare(side, side)

    assert not found.has_changes
    assert all(one.before == one.after for one in found.splits.values())


@given(SIDES, SIDES)
def test_the_counts_add_up(
    before: dict[str, list[DatasetRow]], after: dict[str, list[DatasetRow]]
) -> None:
    found = compare(before, after)

    old, new = (sum(map(len, side.values())) for side in (before, after))
    assert new - old == len(found.added) - len(found.removed)
    assert sum(one.added for one in found.splits.values()) == len(found.added)
    assert sum(one.removed for one in found.splits.values()) == len(found.removed)
    assert sum(one.changed for one in found.splits.values()) == len(found.changed)
    assert found.moved_count + len(found.changed) + len(found.removed) <= old


@given(SIDES, SIDES)
def test_there_and_back_swaps_added_and_removed(
    before: dict[str, list[DatasetRow]], after: dict[str, list[DatasetRow]]
) -> None:
    there, back = compare(before, after), compare(after, before)

    assert len(there.added) == len(back.removed)
    assert there.moved_count == back.moved_count


def test_a_row_that_asks_the_same_and_says_something_else_has_changed() -> None:
    found = compare({"train": [row("a")]}, {"train": [row("a", "y")]})

    assert (found.splits["train"].changed, found.added, found.removed) == (1, [], [])
    assert found.changed == [(row("a"), row("a", "y"))]


def test_a_row_in_another_split_has_moved() -> None:
    found = compare({"train": [row("a"), row("b")]}, {"train": [row("b")], "test": [row("a")]})

    assert (found.moved_count, found.added, found.removed) == (1, [], [])


def test_a_row_in_another_line_or_file_is_the_same() -> None:
    old = row("a", source="one.csv", id="1", weight=1.0, **{ORIGIN: "one.csv:1"})
    new = row("a", source="two.csv", id="2", weight=2.0, **{ORIGIN: "two.csv:9"})

    assert not compare({"train": [old]}, {"train": [new]}).has_changes
    assert new_rows([new, new], [old]) == [new]


def test_origins_are_the_first_few() -> None:
    assert source_lines([row("a", **{ORIGIN: f"f:{n}"}) for n in range(9)], 2) == ["f:0", "f:1"]
    assert source_lines([row("a")]) == []
