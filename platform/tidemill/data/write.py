"""Writing a dataset so that the same rows give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill.data import SPLITS, DatasetSummary, SourceFacts, origins
from tidemill.data.origins import origin
from tidemill.data.pipeline import PreparedDataset, ordered_columns
from tidemill.data.rows import ORIGIN, SOURCE, columns_of
from tidemill.errors import DataError, MissingExtra
from tidemill.rows import DatasetRow


def write(folder: Path, made: PreparedDataset, facts: SourceFacts) -> DatasetSummary:
    """Write the splits, the quarantine and the summary; gives the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ordered_columns(made.splits)
    rows = [row for name in SPLITS for row in made.splits[name]]
    table = _table(rows, columns)
    start = 0
    for name, count in made.counts.items():
        _parquet(table.slice(start, count), folder / f"{name}.parquet")
        start += count
    _parquet(_quarantine_table(made), folder / "quarantine.parquet")
    _parquet(_table(list(map(origin, rows)), origins.COLUMNS), folder / origins.FILE)
    summary: DatasetSummary = {
        "rows": made.counts,
        "quarantined": made.quarantine.counts(),
        "pii": made.pii,
        "duplicates": made.duplicates,
        "columns": columns,
        **facts,
    }
    text = json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n")
    return summary


def _table(rows: Sequence[DatasetRow], columns: Sequence[str]) -> Any:
    pa = _pyarrow()
    arrays = [_column(pa, name, [row.get(name) for row in rows]) for name in columns]
    return pa.table(dict(zip(columns, arrays, strict=True)))


def _column(pa: Any, name: str, values: list[Any]) -> Any:
    """One column; a mixture of kinds becomes text, as a CSV of the same rows would be."""
    if name in ("id", "subject", "group", "source"):
        return pa.array(values, pa.string())
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        try:
            array = pa.array([None if v is None else _as_text(v) for v in values], pa.string())
        except (TypeError, ValueError) as error:
            raise DataError(f"column '{name}' cannot be written: {error}") from error
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _quarantine_table(made: PreparedDataset) -> Any:
    pa = _pyarrow()
    rows = made.quarantine.rows
    columns = {
        "reason": [reason for _, reason in rows],
        "origin": [str(row.get(ORIGIN, "")) for row, _ in rows],
        "source": [str(row.get(SOURCE, "")) for row, _ in rows],
        "row": [_as_text(columns_of(row)) for row, _ in rows],
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _parquet(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", store_schema=True)


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    return pa
