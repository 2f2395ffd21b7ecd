"""Examples for prompts: recent answers that people verified come first, in a fixed order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidemill.data.example_order import KIND, kind_counts, ordered_rows, prepared_kind_counts
from tidemill.data.origins import OriginDetail
from tidemill.data.rows import VOUCHED
from tidemill.rows import DatasetRow

Row = tuple[DatasetRow, OriginDetail]


def row(name: str, source: str, vouched: str | None = None, said_at: str | None = None) -> Row:
    detail: OriginDetail = {
        "id": name, "line": None, "event": None, "place": None, "answer": None,
        "vouched": vouched, "said_at": said_at,
    }  # fmt: skip
    return {"id": name, "source": source}, detail


ROWS = [
    row("old file", "rows.csv"),
    row("file", "rows.csv"),
    row("alone", "feedback:stream", said_at="2026-03-03"),
    row("lonely", "feedback:stream", said_at="2026-03-04"),
    row("agreed", "feedback:stream", "consensus", "2026-03-01"),
    row("reviewed", "rows.csv", "review", "2026-03-02"),
]


def test_verified_answers_come_first_newest_first_then_files_then_what_one_person_says() -> None:
    ordered = ordered_rows(ROWS)

    names = ["reviewed", "agreed", "old file", "file", "lonely", "alone"]
    assert [one["id"] for one in ordered] == names
    assert kind_counts(ordered) == {"reviewed": 1, "consensus": 1, "file": 2, "one person": 2}
    assert kind_counts(ordered[:3]) == {"reviewed": 1, "consensus": 1, "file": 1}
    assert ordered[2][KIND] == "file"


@given(st.permutations([one for one in ROWS if one[0]["source"] != "rows.csv"]))
def test_feedback_has_one_order_however_it_comes(rows: list[Row]) -> None:
    assert [one["id"] for one in ordered_rows(rows)] == ["agreed", "lonely", "alone"]


def test_rows_of_files_alone_keep_their_order() -> None:
    rows = [row(str(number), "rows.csv") for number in (3, 1, 2)]

    assert [one["id"] for one in ordered_rows(rows)] == ["3", "1", "2"]


def test_rows_in_preparation_are_counted_alike() -> None:
    rows = [
        {"id": "1", "source": "rows.csv"},
        {"id": "2", "source": "rows.csv", VOUCHED: "review"},
        {"id": "3", "source": "feedback:stream", VOUCHED: "consensus"},
        {"id": "4", "source": "feedback:stream"},
    ]

    counts = {"reviewed": 1, "consensus": 1, "file": 1, "one person": 1}
    assert prepared_kind_counts(rows) == counts
