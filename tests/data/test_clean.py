"""Cleaning steps: one contract for all, and what each one does."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.catalog import CLEAN
from tidemill.errors import DataError
from tidemill.rows import MutableRow
from tidemill.spec.dataset import CleanStep

ROWS: list[MutableRow] = [
    {"text": f"  Row\u200b  number {i} ", "label": "ab"[i % 2], "n": i, "__origin": f"f:{i}"}
    for i in range(20)
]
NEEDED: dict[str, dict[str, Any]] = {
    "keep": {"column": "label", "values": ["a"]},
    "sample": {"rows": 3, "per": "label"},
    "lower": {"columns": ["text"]},
}


def run(
    name: str, given_rows: list[MutableRow], /, **given: Any
) -> tuple[list[MutableRow], list[tuple[MutableRow, str]]]:
    step = CleanStep(type=name, **given)
    result: tuple[list[MutableRow], list[tuple[MutableRow, str]]] = CLEAN.load(name).apply(
        given_rows, step.options
    )
    return result


@pytest.mark.parametrize("name", CLEAN.names())
def test_every_step_changes_no_row_in_place_keeps_the_order_and_says_why(name: str) -> None:
    before = [dict(row) for row in ROWS]
    kept, dropped = run(name, ROWS, **NEEDED.get(name, {}))
    again, _ = run(name, kept, **NEEDED.get(name, {}))

    assert before == ROWS
    assert [row["n"] for row in kept] == sorted(row["n"] for row in kept)
    assert all(reason for _, reason in dropped)
    assert again == kept, "a second time changes nothing"
    assert isinstance(CLEAN.load(name).VERSION, int)
    assert run(name, [], **NEEDED.get(name, {})) == ([], [])


def test_strip_and_normalise_unicode_leave_only_the_text() -> None:
    rows = [{"text": " a\u00a0 b\u200b ", "id": " x "}]
    rows, _ = run("normalise_unicode", rows)
    rows, _ = run("strip", rows)

    assert rows == [{"text": "a b", "id": " x "}]


def test_length_counts_words_or_characters_and_names_the_row_that_goes() -> None:
    rows = [{"text": "a"}, {"text": "a b"}, {"text": "a b c"}]
    kept, dropped = run("length", rows, unit="words", minimum=2, maximum=2)

    assert kept == [{"text": "a b"}]
    assert [reason for _, reason in dropped] == [
        "too short: text has 1 words",
        "too long: text has 3 words",
    ]


def test_drop_empty_names_the_column() -> None:
    kept, dropped = run("drop_empty", [{"text": " "}, {"text": "a"}, {}], columns=["text"])

    assert kept == [{"text": "a"}]
    assert {reason for _, reason in dropped} == {"empty: text"}


def test_keep_refuses_a_value_that_no_row_has() -> None:
    with pytest.raises(DataError, match="no row has label 'cat'"):
        run("keep", ROWS, column="label", values=["cat"])


def test_a_sample_takes_so_many_of_each_and_leaves_other_splits_alone() -> None:
    rows = [{**row, "__split": "test" if row["n"] < 4 else "train"} for row in ROWS]
    kept, _ = run("sample", rows, rows=3, per="label", split="train")
    train = [row for row in kept if row["__split"] == "train"]

    assert sum(row["__split"] == "test" for row in kept) == 4
    assert sorted(row["label"] for row in train) == ["a"] * 3 + ["b"] * 3


def test_a_larger_pool_moves_few_sampled_rows() -> None:
    small, _ = run("sample", ROWS, rows=10)
    large, _ = run("sample", [*ROWS, {"text": "new", "n": 99}], rows=10)

    assert len([row for row in small if row not in large]) <= 1
