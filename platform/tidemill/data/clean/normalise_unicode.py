"""Write the same character the same way: Unicode normalisation, no control characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from tidemill.data.clean._columns import map_columns
from tidemill.data.rows import Dropped
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u2060\ufeff]")


class Options(Frozen):
    """Options of `normalise_unicode`."""

    columns: tuple[str, ...] = ()
    """Columns to work on; every text column without it."""
    form: Literal["NFC", "NFKC"] = "NFC"
    """NFC keeps the look; NFKC also folds widths, ligatures and superscripts."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Normalise; nothing is dropped."""

    def to(text: str) -> str:
        return _CONTROL.sub("", unicodedata.normalize(options.form, text))

    return map_columns(rows, options.columns, to), []
