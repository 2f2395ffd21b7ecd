"""Leave out rows with nothing in a column."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.data.rows import Dropped
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1


class Options(Frozen):
    """Options of `drop_empty`."""

    columns: tuple[str, ...] = Field(default=("text",), min_length=1)
    """Columns that must hold something."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Keep rows where every named column holds more than white space."""
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        empty = next((name for name in options.columns if not _has_value(row.get(name))), None)
        if empty is None:
            remaining.append(row)
        else:
            dropped.append((row, f"empty: {empty}"))
    return remaining, dropped


def _has_value(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value not in (None, [], {})
