"""Keep rows with one of some values in a column."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.data.rows import Dropped
from tidemill.errors import DataError, suggest
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1


class Options(Frozen):
    """Options of `keep`."""

    column: str
    """The column that is looked at."""
    values: tuple[str, ...] = Field(min_length=1)
    """The values to keep."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Keep rows with these values; the others were not asked for and are no quarantine."""
    present = {str(row.get(options.column)) for row in rows}
    for value in options.values:
        if rows and value not in present:
            raise DataError(
                f"clean step 'keep': no row has {options.column} '{value}'; "
                f"{suggest(value, sorted(present)[:20])}"
            )
    values = set(options.values)
    return [row for row in rows if str(row.get(options.column)) in values], []
