"""Which rows a prompt shows as examples first: recent answers that people verified.

1. verified by a review or by the consensus of several people, the newest first
2. rows of files, in their order
3. feedback that one person vouches for, the newest first
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tidemill.data import origins, read_split
from tidemill.data.origins import OriginDetail, origin
from tidemill.rows import DatasetRow

REVIEWED, CONSENSUS, FILE, ONE_PERSON = "reviewed", "consensus", "file", "one person"
KINDS = (REVIEWED, CONSENSUS, FILE, ONE_PERSON)
"""Who vouches for a row."""
VERIFIED = (REVIEWED, CONSENSUS)
KIND = "__kind"
"""Column of an example row: its kind."""


def example_rows(folder: Path, split: str = "train") -> list[DatasetRow]:
    """The rows of a split of a dataset artefact in that order, each with its kind; those of a
    dataset that an older version built have no verified ones."""
    rows = read_split(folder, split)
    details = [detail for detail in origins.read(folder) if detail["split"] == split]
    return ordered_rows(list(zip(rows, details, strict=True)))


def ordered_rows(rows: Sequence[tuple[DatasetRow, OriginDetail]]) -> list[DatasetRow]:
    """Rows with their origins, in the order of preference."""
    kinds = [_kind(row, detail) for row, detail in rows]
    times = [detail["said_at"] or "" for _, detail in rows]
    order = sorted(range(len(rows)), key=lambda index: str(rows[index][0].get("id")))
    order.sort(key=lambda index: times[index], reverse=True)
    verified = [index for index in order if kinds[index] in VERIFIED]
    of_files = [index for index in range(len(rows)) if kinds[index] == FILE]
    others = [index for index in order if kinds[index] == ONE_PERSON]
    return [{**rows[n][0], KIND: kinds[n]} for n in (*verified, *of_files, *others)]


def kind_counts(rows: Iterable[DatasetRow]) -> dict[str, int]:
    """Rows of each kind, in the order of preference; kinds without a row are left out."""
    counts = Counter(str(row.get(KIND)) for row in rows)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def prepared_kind_counts(rows: Iterable[DatasetRow]) -> dict[str, int]:
    """The same of rows in preparation, which carry their origin themselves."""
    return kind_counts({KIND: _kind(row, origin(row))} for row in rows)


def _kind(row: DatasetRow, detail: OriginDetail) -> str:
    if detail["vouched"]:
        return REVIEWED if detail["vouched"] == "review" else CONSENSUS
    return ONE_PERSON if str(row.get("source")).startswith("feedback:") else FILE
