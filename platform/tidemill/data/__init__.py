"""Datasets: where rows come from, what is done to them, and reading a finished one back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from tidemill.errors import DataError, MissingExtra
from tidemill.rows import DatasetRow

SPLITS = ("train", "validation", "test")


class SourceFacts(TypedDict):
    """Where a dataset's rows came from."""

    sources: list[str]
    offsets: dict[str, list[int]]
    """The frozen offset ranges, from and to, by `topic/partition`."""
    labels: dict[str, dict[str, int]]
    """Rows of each label, by split."""


class DatasetSummary(SourceFacts):
    """A dataset artefact's `summary.json`."""

    rows: dict[str, int]
    """Rows of each split."""
    quarantined: dict[str, int]
    """Rows that were left out, by reason."""
    pii: dict[str, int]
    duplicates: dict[str, int]
    columns: list[str]


def read_split(folder: Path, split: str) -> list[DatasetRow]:
    """The rows of one split of a dataset artefact (or `quarantine`), in order."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise DataError(f"{folder} has no split '{split}'; a dataset artefact has {SPLITS}")
    rows: list[DatasetRow] = pq.read_table(path).to_pylist()
    return rows


def summary(folder: Path) -> DatasetSummary:
    """The dataset's summary: rows, quarantine by reason, labels per split, offsets."""
    summary: DatasetSummary = json.loads((folder / "summary.json").read_text())
    return summary
