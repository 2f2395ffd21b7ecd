"""A fixed sample of rows: the same seed draws the same rows, whatever was added beside them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from tidemill.pipeline.answers import row_id
from tidemill.rows import DatasetRow


def sample_rows(rows: Sequence[DatasetRow], most: int | None, seed: int) -> list[DatasetRow]:
    """The rows whose hashes under the seed are smallest, in their order; all of them for None."""
    if most is None or most >= len(rows):
        return list(rows)
    places = {row_id(row, index): index for index, row in enumerate(rows)}
    drawn = sorted(places, key=lambda row: sha256(f"{seed}:{row}".encode()).digest())
    return [rows[index] for index in sorted(places[row] for row in drawn[:most])]
