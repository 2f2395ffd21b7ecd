"""Finding the rows nearest to a text, by words, without a model."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters import row_index
from tidemill.adapters.row_index import RowTexts
from tidemill.data.pipeline import PreparedDataset, Quarantine
from tidemill.data.similar_rows import cosine, question_text, word_weights, words
from tidemill.data.write import write
from tidemill.errors import TidemillError

TEXTS = [
    "where is my parcel",
    "where is my refund",
    "cancel my order",
    "Größe ändern",
    "注文 を 取り消す",
]
WORDS = st.frozensets(st.sampled_from("abcdef"), max_size=6)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {
            "id": f"{number:016x}",
            "request": text,
            "reply": "It is on its way.",
            "source": "rows.jsonl",
            "subject": None,
            "__origin": f"rows.jsonl:{number + 1}",
        }
        for number, text in enumerate(TEXTS)
    ]
    made = PreparedDataset(
        {"train": rows[:4], "validation": rows[4:], "test": []}, Quarantine(), []
    )
    write(tmp_path / "dataset", made, {"sources": [], "offsets": {}, "labels": {}})
    return tmp_path / "dataset"


@pytest.mark.parametrize("text", TEXTS)
def test_a_row_is_nearest_to_itself(dataset: Path, tmp_path: Path, text: str) -> None:
    found = RowTexts(tmp_path / "why").nearest("sha256:d", dataset, {"request": text.upper()}, 2)

    assert (found[0]["text"], found[0]["similarity"]) == (text, 1.0)
    assert found[0]["line"] == TEXTS.index(text) + 1


def test_only_the_columns_that_were_asked_for_count(dataset: Path, tmp_path: Path) -> None:
    found = RowTexts(tmp_path / "why").nearest("sha256:d", dataset, {"request": "on its way"}, 5)

    assert {row["similarity"] for row in found} == {0.0}


def test_a_text_without_a_word_of_the_rows_finds_none(dataset: Path, tmp_path: Path) -> None:
    texts = RowTexts(tmp_path / "why")

    assert texts.nearest("sha256:d", dataset, {"request": "xyz ?!"}, 5) == []
    assert texts.nearest("sha256:d", dataset, {"request": ""}, 5) == []
    assert texts.nearest("sha256:d", dataset, {"request": '" OR NEAR('}, 5) == []


def test_an_index_is_made_once_and_may_be_dropped(dataset: Path, tmp_path: Path) -> None:
    texts = RowTexts(tmp_path / "why")
    path = texts.add("sha256:d", dataset)
    made = path.stat().st_mtime_ns
    texts.add("sha256:d", dataset)

    assert path.stat().st_mtime_ns == made
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    texts.drop("sha256:d")
    assert not path.exists()


def test_a_killed_indexing_leaves_no_index(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(connection: sqlite3.Connection, rows: Any) -> None:
        connection.execute("CREATE TABLE half (way)")
        raise KeyboardInterrupt

    monkeypatch.setattr(row_index, "_fill", killed)
    with pytest.raises(KeyboardInterrupt):
        RowTexts(tmp_path / "why").add("sha256:d", dataset)

    assert list((tmp_path / "why").iterdir()) == []


def test_a_sqlite_without_full_text_search_says_so(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_index, "_MAKE", "CREATE VIRTUAL TABLE rows USING no_such_module()")
    with pytest.raises(TidemillError, match="cannot be indexed: no such module"):
        RowTexts(tmp_path / "why").add("sha256:d", dataset)


@given(WORDS, WORDS)
def test_similarity_is_the_same_both_ways_and_between_0_and_1(
    one: frozenset[str], other: frozenset[str]
) -> None:
    weight = {word: 1.0 + i for i, word in enumerate("abcdef")}

    assert cosine(one, other, weight) == pytest.approx(cosine(other, one, weight))
    assert 0 <= cosine(one, other, weight) <= 1
    assert cosine(one, one, weight) == pytest.approx(1.0 if one else 0.0)


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    weight = word_weights(1000)

    assert weight(1) > weight(10) > weight(1000) > 0


def test_words_have_no_case_width_or_punctuation() -> None:
    assert words("Ｗhere's  MY parcel_7?") == {"where", "s", "my", "parcel", "7"}


def test_what_a_row_asks_is_in_the_named_columns_or_looks_like_it() -> None:
    row = {"request": "a", "extra": {"n": 1}, "label": "x"}

    assert question_text(row, ["request", "extra"]) == 'a\n{"n": 1}'
    assert question_text(row, ["missing"]) == question_text({"request": "a", "extra": {"n": 1}})
