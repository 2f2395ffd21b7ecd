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
    return [rows[index] for index in sorted(sample_order(rows, seed)[:most])]


def sample_order(rows: Sequence[DatasetRow], seed: int) -> list[int]:
    """The indices of the rows by their hashes under the seed: each beginning of it is a sample, and
    holds every shorter one."""
    ids = [row_id(row, index) for index, row in enumerate(rows)]
    return sorted(range(len(rows)), key=lambda at: sha256(f"{seed}:{ids[at]}".encode()).digest())
