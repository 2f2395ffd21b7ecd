"""Repeated rows go, the first one stays, and a training row never repeats a test row."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data import deduplicate

VOCABULARY = ["where", "is", "my", "order", "now", "please", "thanks", "card"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=6)


def rows(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [{"text": text, "__origin": f"f:{i}", **more} for i, text in enumerate(texts, start=1)]


def test_text_that_differs_in_case_and_spacing_only_is_the_same() -> None:
    done = deduplicate.apply(rows("Where is it?", "where  is it? ", "here"), "text", None)

    assert [row["text"] for row in done.rows] == ["Where is it?", "here"]
    assert [why for _, why in done.dropped] == ["duplicate: of f:1"]
    assert (done.exact, done.near) == (1, 0)


def test_nearly_equal_text_goes_from_the_wanted_likeness_on() -> None:
    long = "please tell me where my order from last week is right now"
    given_rows = rows(long, long.replace("please ", ""), "something else altogether")

    assert deduplicate.apply(given_rows, "text", 0.75).near == 1
    assert deduplicate.apply(given_rows, "text", 0.95).near == 0


def test_a_training_row_that_repeats_a_fixed_test_row_leaks_whatever_the_order() -> None:
    long = "please tell me where my order from last week is right now"
    train = rows("same", long, "own", __split="train")
    test = rows("same", long + " then", __split="test")
    done = deduplicate.apply([*train, *test], "text", 0.8)

    assert [(row["text"], row["__split"]) for row in done.rows] == [
        ("own", "train"),
        ("same", "test"),
        (long + " then", "test"),
    ]
    assert [why for _, why in done.dropped] == [
        "leaks into test: the same as f:1",
        "leaks into test: nearly f:2",
    ]


def test_leaks_are_found_without_deduplication_too() -> None:
    kept, dropped = deduplicate.leaks([*rows("a", "b", __split=None), *rows("A", __split="test")])

    assert [row["text"] for row in kept] == ["b", "A"]
    assert [why for _, why in dropped] == ["leaks into test: the same as f:1"]


@given(st.lists(WORDS.map(" ".join), max_size=25), st.sampled_from([None, 0.5, 0.8]))
@settings(max_examples=60, deadline=None)
def test_a_second_time_finds_nothing_more(texts: list[str], near: float | None) -> None:
    once = deduplicate.apply(rows(*texts), "text", near)
    twice = deduplicate.apply(once.rows, "text", near)

    assert twice.dropped == []
    assert twice.rows == once.rows
    assert len(once.rows) + len(once.dropped) == len(texts)
