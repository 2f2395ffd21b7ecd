"""Datasets: where rows come from, what is done to them, and reading a finished one back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidemill.errors import DataError, MissingExtra

SPLITS = ("train", "validation", "test")


def read_split(folder: Path, split: str) -> list[dict[str, Any]]:
    """The rows of one split of a dataset artefact (or `quarantine`), in order."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise DataError(f"{folder} has no split '{split}'; a dataset artefact has {SPLITS}")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def summary(folder: Path) -> dict[str, Any]:
    """The dataset's summary: rows, quarantine by reason, labels per split, offsets."""
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary
