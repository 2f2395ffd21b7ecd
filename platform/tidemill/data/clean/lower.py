"""Make text lower case."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.data.clean._columns import map_columns
from tidemill.data.rows import Dropped
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1


class Options(Frozen):
    """Options of `lower`."""

    columns: tuple[str, ...] = Field(min_length=1)
    """Columns to work on."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Lower case; nothing is dropped."""
    return map_columns(rows, options.columns, str.lower), []
