"""The gates in their order, on rows that only the order decides about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidemill.data.pipeline import PreparedDataset, prepare
from tidemill.spec.dataset import Dataset

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def prepared(rows: list[dict[str, Any]], **fields: Any) -> PreparedDataset:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Dataset",
        "name": "rows",
        "sources": [{"type": "file", "path": "rows.jsonl"}],
        "format": "classification",
    }
    return prepare(rows, Dataset.model_validate({**known, **fields}), now=NOW, key=b"k")


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"text": f"question {i}", "label": "ab"[i % 2], **more} for i in range(count)]


def test_a_sample_gets_its_full_number_though_some_rows_leak() -> None:
    leaking = [*rows(10, __split="test"), *rows(30, __split="train")]
    made = prepared(leaking, clean=[{"type": "sample", "rows": 20, "split": "train"}])

    assert made.counts == {"train": 20, "validation": 0, "test": 10}
    assert made.quarantine.counts() == {"leaks into test": 10}


def test_a_row_that_is_dropped_for_personal_data_is_counted_with_its_reason() -> None:
    given = [*rows(8), {"text": "mail a@b.co", "label": "a"}]
    made = prepared(given, privacy={"pii": "drop"})

    assert sum(made.counts.values()) == 8
    assert made.quarantine.counts() == {"personal data": 1}


def test_subjects_that_are_numbers_are_held_out_like_any_other() -> None:
    given = [{**row, "subject": i % 20} for i, row in enumerate(rows(200))]
    made = prepared(
        given,
        privacy={"holdout_subjects": 0.3},
        split={"ratios": {"train": 1, "validation": 0, "test": 0}},
    )
    trained, held = ({row["subject"] for row in made.splits[name]} for name in ("train", "test"))

    assert trained
    assert held
    assert not trained & held
