"""Keep a fixed number of rows, of each value of a column where one is named."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.data.rows import SPLIT, Dropped, content_of, hash_fraction
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen
from tidemill.spec.dataset import SplitName

VERSION = 1


class Options(Frozen):
    """Options of `sample`."""

    rows: int = Field(ge=1)
    """Number of rows to keep; for each value of `per` where that is given."""
    per: str | None = None
    """Keep that many rows of each value of this column."""
    split: SplitName | None = None
    """Only sample rows whose source says this split; other rows stay."""
    seed: int = 0
    """Picks one of the possible samples."""


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Keep the rows with the smallest hashes, in their old order: adding a row moves few others."""
    strata: dict[str, list[tuple[float, int]]] = {}
    chosen = set()
    for index, row in enumerate(rows):
        if options.split and row.get(SPLIT) != options.split:
            chosen.add(index)
            continue
        stratum = str(row.get(options.per)) if options.per else ""
        drawn = hash_fraction("sample", str(options.seed), content_of(row))
        strata.setdefault(stratum, []).append((drawn, index))
    for drawn_rows in strata.values():
        chosen.update(index for _, index in sorted(drawn_rows)[: options.rows])
    return [row for index, row in enumerate(rows) if index in chosen], []
