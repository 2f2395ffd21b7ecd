"""Nobody weighs more than their share."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data.weights import cap


def feedback(subject: str, weight: float = 1.0) -> dict[str, Any]:
    return {"subject": subject, "weight": weight, "__feedback": True}


def test_a_loud_subject_is_turned_down_to_its_share() -> None:
    rows = [*({"weight": 1.0} for _ in range(90)), *(feedback("loud") for _ in range(100))]

    assert cap(rows, 0.1) == 1
    loud = sum(row["weight"] for row in rows if row.get("subject"))
    assert abs(loud - 0.1 * (90 + loud)) < 1e-9


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0.1, 5)), max_size=40),
    st.integers(0, 50),
    st.floats(0.05, 0.9),
)
@settings(max_examples=200, deadline=None)
def test_no_subject_holds_more_than_its_share_unless_there_are_too_few(
    given_rows: list[tuple[str, float]], others: int, share: float
) -> None:
    rows = [*({"weight": 1.0} for _ in range(others)), *(feedback(s, w) for s, w in given_rows)]
    before = [row["weight"] for row in rows]
    cap(rows, share)
    held: dict[str, float] = {}
    for row in rows:
        if row.get("subject"):
            held[row["subject"]] = held.get(row["subject"], 0) + row["weight"]
    total = sum(row["weight"] for row in rows)

    assert all(row["weight"] <= old + 1e-9 for row, old in zip(rows, before, strict=True))
    if held:
        even = 1 / len(held) if not others else 0
        assert max(held.values()) <= max(share, even) * total + 1e-6
        assert min(row["weight"] for row in rows) > 0
