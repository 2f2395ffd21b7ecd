"""The origin of each row of a dataset: `origins.parquet` beside its splits.

One line for each row, in the order train, validation, test. Training and evaluation read the
splits only, so nothing here is learned from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from tidemill.data import SPLITS
from tidemill.data.rows import ANSWER, EVENT, FEEDBACK, ORIGIN, PLACE, VOUCHED, VOUCHED_AT
from tidemill.errors import MissingExtra
from tidemill.rows import DatasetRow

FILE = "origins.parquet"
COLUMNS = ("id", "line", "event", "place", "answer", "vouched", "said_at")


class OriginDetail(TypedDict):
    """A line of `origins.parquet`."""

    id: str
    line: int | None
    event: str | None
    """Id of the feedback event that the row was."""
    place: str | None
    """That event's `topic/partition/offset`."""
    answer: str | None
    """Response id of the answer that the event is about."""
    vouched: str | None
    """`review` or `consensus` where people verified the label of a row."""
    said_at: str | None
    """When that was said, or the feedback that the row was; None for a row of a file."""


class RowOrigin(OriginDetail):
    """Where a row of a dataset artefact came from."""

    split: str
    source: str | None
    subject: str | None


def origin(row: DatasetRow) -> OriginDetail:
    """The line of a finished row: its id, and a line of its source or the event it was; a row of a
    file that a reviewer corrected has both."""
    event = row.get(EVENT)
    _, _, line = str(row.get(ORIGIN, "")).rpartition(":")
    return {
        "id": row["id"],
        "line": int(line) if line.isdigit() else None,
        "event": event,
        "place": row.get(PLACE),
        "answer": row.get(ANSWER) if event is not None else None,
        "vouched": row.get(VOUCHED),
        "said_at": row.get(VOUCHED_AT) or (row.get("time") if row.get(FEEDBACK) else None),
    }


def read(folder: Path) -> list[RowOrigin]:
    """For each row of a dataset artefact: id, split, source, subject, line, event, place, answer,
    and who verified its label.

    A dataset of an older version has no lines, events or verifications; a split that is not there
    has no rows. Raises MissingExtra without pyarrow.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    origins: list[RowOrigin] = []
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        if path.exists():
            rows = pq.read_table(path, columns=["id", "source", "subject"]).to_pylist()
            origins += [_without_detail(row, split) for row in rows]
    if (folder / FILE).exists():
        details = pq.read_table(folder / FILE).to_pylist()
        for origin, detail in zip(origins, details, strict=True):
            origin.update(detail)
    return origins


def _without_detail(row: DatasetRow, split: str) -> RowOrigin:
    return {
        "line": None,
        "event": None,
        "place": None,
        "answer": None,
        "vouched": None,
        "said_at": None,
        "id": row["id"],
        "source": row["source"],
        "subject": row["subject"],
        "split": split,
    }
