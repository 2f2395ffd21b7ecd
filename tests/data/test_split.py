"""Splits: nothing on both sides, the same every time, and stable as rows are added."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data import SPLITS, split
from tidemill.data.rows import question_of
from tidemill.errors import DataError
from tidemill.rows import MutableRow
from tidemill.spec.dataset import Ratios, Split


def nobody(row: MutableRow) -> bool:
    return False


def rows(count: int, start: int = 0) -> list[MutableRow]:
    return [
        {"text": f"text {i}", "group": f"g{i % (count // 4 or 1)}", "label": "ab"[i % 2], "time": i}
        for i in range(start, start + count)
    ]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.sampled_from([f"t{i}" for i in range(30)]),
            "group": st.sampled_from([None, *(f"g{i}" for i in range(8))]),
            "label": st.sampled_from("ab"),
            "time": st.integers(1, 50),
            "__split": st.sampled_from([None, None, None, "train", "test"]),
        }
    ),
    max_size=40,
)
WAYS = [
    Split(),
    Split(by="stratified", key="label"),
    Split(by="group", key="group"),
    Split(by="time", key="time"),
]


@given(ROWS, st.sampled_from(WAYS))
@settings(max_examples=200, deadline=None)
def test_no_text_and_no_group_stands_on_two_sides_and_no_row_is_lost(
    given_rows: list[MutableRow], way: Split
) -> None:
    dealt, dropped = split.apply(given_rows, way, nobody)
    sides: dict[str, set[str]] = {}
    for name in SPLITS:
        for row in dealt[name]:
            sides.setdefault(f"text {question_of(row)}", set()).add(name)
            if way.by == "group" and row["group"]:
                sides.setdefault(f"group {row['group']}", set()).add(name)

    assert all(len(found) == 1 for found in sides.values())
    assert sum(map(len, dealt.values())) + len(dropped) == len(given_rows)
    assert all(row["__split"] in (None, name) for name in SPLITS for row in dealt[name])


@given(st.integers(0, 99), st.integers(1, 20), st.sampled_from(["random", "group"]))
@settings(max_examples=30, deadline=None)
def test_added_rows_move_no_other(seed: int, more: int, by: str) -> None:
    way = Split.model_validate({"by": by, "key": "group", "seed": seed})
    first = rows(400)
    added = [{"text": f"new {i}", "group": f"new {i}"} for i in range(more)]
    before, _ = split.apply(first, way, nobody)
    after, _ = split.apply([*first, *added], way, nobody)
    moved = sum(row not in after[name] for name in SPLITS for row in before[name])

    assert moved == 0


def test_the_same_rows_and_seed_give_the_same_splits_and_another_seed_others() -> None:
    one, _ = split.apply(rows(200), Split(seed=1), nobody)
    again, _ = split.apply(rows(200), Split(seed=1), nobody)
    other, _ = split.apply(rows(200), Split(seed=2), nobody)

    assert one == again
    assert one["test"] != other["test"]


@pytest.mark.parametrize("way", WAYS)
def test_the_shares_are_about_what_was_asked_for(way: Split) -> None:
    dealt, _ = split.apply(rows(1000), way, nobody)

    assert abs(len(dealt["train"]) - 800) < 60
    assert abs(len(dealt["test"]) - 100) < 45


def test_stratified_gives_every_label_its_share_exactly() -> None:
    dealt, _ = split.apply(rows(100), Split(by="stratified", key="label"), nobody)

    assert sorted(row["label"] for row in dealt["test"]) == ["a"] * 5 + ["b"] * 5


def test_time_puts_the_newest_last_and_leaves_out_what_has_none() -> None:
    given_rows = [*rows(10, start=1), {"text": "when?", "time": "soon"}]
    dealt, dropped = split.apply(
        given_rows, Split(by="time", key="time", ratios=Ratios(train=0.8)), nobody
    )

    assert [row["time"] for row in dealt["train"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row["time"] for row in dealt["test"]] == [10]
    assert [why for _, why in dropped] == ["no time: 'time' holds none to split by"]


def test_a_fixed_split_is_kept_and_its_group_follows_it() -> None:
    given_rows = [
        {"text": "a", "group": "g", "__split": "test"},
        {"text": "b", "group": "g", "__split": None},
        {"text": "c", "group": "g", "__split": "train"},
    ]
    dealt, dropped = split.apply(given_rows, Split(by="group", key="group"), nobody)

    assert [row["text"] for row in dealt["test"]] == ["a", "b"]
    assert [why for _, why in dropped] == [
        "leaks into test: its group or subject is there",
    ]


def test_held_out_subjects_go_to_test_and_never_train() -> None:
    given_rows = [{"text": f"t{i}", "subject": f"s{i % 5}"} for i in range(50)]
    dealt, _ = split.apply(given_rows, Split(), lambda row: row["subject"] == "s3")

    assert sum(row["subject"] == "s3" for row in dealt["test"]) == 10


def test_a_few_rows_still_fill_every_wanted_split() -> None:
    dealt, _ = split.apply(rows(6), Split(), nobody)

    assert all(dealt[name] for name in SPLITS)


def test_an_unknown_key_names_the_nearest_column() -> None:
    with pytest.raises(DataError, match="no column 'groop'; did you mean 'group'"):
        split.apply(rows(4), Split(by="group", key="groop"), nobody)


def test_a_blank_cell_is_no_group_and_a_zero_is_one() -> None:
    way = Split(by="group", key="group")
    blank = [{"text": f"t{i}", "group": " " if i % 2 else ""} for i in range(200)]
    zero = [{"text": f"t{i}", "group": 0} for i in range(20)]
    dealt, _ = split.apply(blank, way, nobody)
    before = split.apply(zero, way, nobody)[0]
    after = split.apply([*zero, {"text": "another", "group": 0}], way, nobody)[0]

    assert all(dealt[name] for name in SPLITS)
    assert [len(after[name]) - len(before[name]) for name in SPLITS if before[name]] == [1]


def test_a_held_out_subject_takes_along_whoever_asks_the_same() -> None:
    given_rows = [{"text": "the same", "subject": name} for name in ("first", "held")]
    dealt, _ = split.apply(given_rows, Split(), lambda row: row["subject"] == "held")

    assert [row["subject"] for row in dealt["test"]] == ["first", "held"]


def test_what_was_asked_again_lately_is_as_new_as_the_last_time() -> None:
    given_rows = [*rows(10, start=1), {"text": "text 1", "time": 99}]
    dealt, _ = split.apply(given_rows, Split(by="time", key="time"), nobody)

    assert {row["time"] for row in dealt["test"]} == {1, 99}
