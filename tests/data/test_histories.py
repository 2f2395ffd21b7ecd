"""Rows of a ranking dataset: histories in any writing, and choices that users made."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.data.catalogue import Catalogue, CatalogueItem
from tidemill.data.histories import chosen_items, read_history, sequences, with_histories
from tidemill.data.rows import ANSWER, FEEDBACK, UNVERIFIED, VOTE

SHOP = Catalogue(tuple(CatalogueItem(name, name.title()) for name in ("lamp", "chair", "desk")))


def visit(history: object, label: str = "desk", **more: Any) -> dict[str, Any]:
    return {"history": history, "label": label, **more}


def choice(label: str, answer: str, vote: str = "up") -> dict[str, Any]:
    return visit([], label, **{FEEDBACK: True, ANSWER: answer, VOTE: vote})


@pytest.mark.parametrize(
    "given", [["lamp", "chair"], '["lamp", "chair"]', "lamp, chair", "lamp chair"]
)
def test_a_history_is_a_list_however_it_is_written(given: object) -> None:
    assert read_history(given) == ["lamp", "chair"]


@pytest.mark.parametrize("given", [None, "", [], "[]"])
def test_a_new_visitor_has_an_empty_history(given: object) -> None:
    assert read_history(given) == []


@pytest.mark.parametrize("given", [{"a": 1}, 7, '["lamp"', [["lamp"]]])
def test_anything_else_is_no_history(given: object) -> None:
    assert read_history(given) is None


def test_rows_that_cannot_be_recommended_are_left_out_with_the_reason() -> None:
    rows = [visit(["lamp", "sold"]), visit(["lamp"], "sofa"), visit(["desk"]), visit({"a": 1})]
    usable, dropped = with_histories(rows, SHOP)

    assert [row["history"] for row in usable] == [["lamp", "sold"]]
    assert [reason for _, reason in dropped] == [
        "unknown item: 'sofa' is not in the catalogue",
        "repeated: 'desk' is in the history already",
        "unusable history: it is no list of item ids",
    ]


def test_a_click_and_a_purchase_of_one_item_are_one_row_that_never_tests() -> None:
    rows = [choice("lamp", "a"), choice("lamp", "a"), choice("chair", "a"), choice("lamp", "b")]
    settled = chosen_items([visit([]), *rows])

    kept = [(row["label"], row.get(UNVERIFIED)) for row in settled.rows]
    assert kept == [("desk", None), ("lamp", True), ("chair", True), ("lamp", True)]
    assert [reason for _, reason in settled.dropped] == [
        "counted as a vote: the same item of the same answer"
    ]


def test_what_nobody_took_up_is_no_row() -> None:
    settled = chosen_items([choice("lamp", "a", "down")])

    assert settled.rows == []
    assert settled.dropped[0][1].startswith("rated bad")


def test_a_visitor_counts_once_for_the_same_visit_and_for_its_beginnings() -> None:
    rows = [
        visit(["lamp"], "chair", subject="ann"),
        visit(["lamp", "chair"], "desk", subject="ann"),
        visit(["lamp", "chair"], "desk", subject="ann"),
        visit(["lamp"], "chair", subject="bob"),
        visit(["lamp"], "desk", subject="eve", weight=0.0),
        visit(["lamp"], "chair"),
    ]

    assert sequences(rows) == [["lamp", "chair", "desk"], ["lamp", "chair"], ["lamp", "chair"]]
