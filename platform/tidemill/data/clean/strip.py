"""Take white space off the ends of text, and make runs of it one space."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidemill.data.clean._columns import map_columns
from tidemill.data.rows import Dropped
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1
_RUN = re.compile(r"[ \t\u00a0\f\v]+")


class Options(Frozen):
    """Options of `strip`."""

    columns: tuple[str, ...] = ()
    """Columns to work on; every text column without it."""
    collapse: bool = True
    """Also make runs of blanks one space (line breaks stay)."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Strip; nothing is dropped."""

    def to(text: str) -> str:
        return (_RUN.sub(" ", text) if options.collapse else text).strip()

    return map_columns(rows, options.columns, to), []
