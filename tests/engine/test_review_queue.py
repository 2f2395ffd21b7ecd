"""What a reviewer sees first is what a verdict puts right most."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.engine.label_doubt import doubts
from tidemill.engine.review_queue import ReviewCandidate, queue


def candidate(name: str, **more: Any) -> ReviewCandidate:
    fields: dict[str, Any] = {"reason": "contested", "label": "card", "rows": 2, "doubt": 0.5}
    return ReviewCandidate(name, **{**fields, **more})


def test_many_rows_in_much_doubt_come_first() -> None:
    ordered = queue(
        [
            candidate("sure", doubt=0.1),
            candidate("many", rows=9),
            candidate("unsure", doubt=0.9),
            candidate("one", rows=1, reason="doubted", doubt=0.8),
        ]
    )

    assert [entry.candidate.id for entry in ordered] == ["many", "unsure", "one", "sure"]
    assert ordered[0].worth == pytest.approx(4.5)


def test_one_question_stands_for_all_that_wait_for_its_new_label() -> None:
    waiting = [candidate(f"new-{n}", reason="new label", label="crypto", rows=3) for n in range(4)]
    ordered = queue([candidate("contested", rows=8), *waiting])

    assert [entry.candidate.id for entry in ordered][:2] == ["new-0", "contested"]
    assert [entry.worth for entry in ordered] == pytest.approx([6, 4, 1.5, 1.5, 1.5])


def test_the_order_of_the_candidates_changes_nothing() -> None:
    candidates = [candidate(name) for name in "cab"]

    assert queue(candidates) == queue(candidates[::-1])
    assert [entry.candidate.id for entry in queue(candidates)] == ["a", "b", "c"]


def test_a_label_is_doubted_where_another_one_is_as_probable_as_usual_for_it() -> None:
    labels = {"a": "card", "b": "card", "c": "transfer", "d": "transfer"}
    opinions = {
        "a": {"card": 0.9, "transfer": 0.1},
        "b": {"card": 0.2, "transfer": 0.8},
        "c": {"card": 0.3, "transfer": 0.7},
        "d": {"card": 0.4, "transfer": 0.6},
    }

    assert doubts(labels, opinions) == {"b": pytest.approx(0.6)}
    assert doubts(labels, {}) == {}


def test_a_model_that_is_unsure_of_everything_doubts_nothing() -> None:
    labels = {"a": "card", "b": "card", "c": "transfer"}
    opinions = {name: {"card": 0.5, "transfer": 0.5} for name in labels}

    assert doubts(labels, opinions) == {}
