"""What a dataset would hold, found by its own pipeline, without making it.

Files are read and cleaned as a run would; expectations are not judged, files on the hub stay where
they are, and nothing is written. Feedback is read where a reader is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from tidemill.data import SPLITS
from tidemill.data.compare import RowChanges, compare, new_rows, source_lines
from tidemill.data.pipeline import PreparedDataset
from tidemill.data.privacy import redact_row
from tidemill.data.rows import ORIGIN
from tidemill.errors import ArtefactError
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.dataset import label_counts, leakage_counts, prepare_rows, read_sources
from tidemill.ports import Artefact, Clock
from tidemill.rows import DatasetRow, MutableRow
from tidemill.spec.dataset import Dataset
from tidemill.spec.load import Project

READABLE_SOURCES = ("file", "dvc")
ReadFeedback = Callable[[str, Sequence[str], datetime | None], Any]
"""Reads feedback rows as `BuildContext.read_feedback` does."""
SHOWN = 3


@dataclass(frozen=True)
class DatasetPreview:
    """A dataset as it would come out."""

    prepared: PreparedDataset
    raw: list[MutableRow]
    """Rows as they were read, before anything was done to them."""
    labels: dict[str, dict[str, int]]
    """Rows per label, by split."""
    leaking_rows: int
    """Train rows that ask what a test row asks."""
    excluded_leaks: int
    """Rows that were left out because they would leak."""
    unread_sources: tuple[str, ...] = ()
    """Sources that were not read."""


@dataclass(frozen=True)
class DataDifference:
    """A dataset on both sides."""

    rows: RowChanges
    labels: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Rows per label in all splits: before, after."""
    pii: dict[str, int] = field(default_factory=dict)
    """Personal data in rows that were not there before, by kind."""
    pii_locations: tuple[str, ...] = ()
    """Locations of the first of these rows."""
    leaking_rows: tuple[int, int] = (0, 0)
    excluded_leaks: tuple[int, int] = (0, 0)
    leaks: tuple[str, ...] = ()
    """The first rows that are kept out for leaking and were not before."""
    quarantined: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Rows left out by reason: before, after; only where that differs."""
    unread_sources: tuple[str, ...] = ()
    """Sources that were not read, on either side."""


class _NoStore:
    """A preview makes no artefacts."""

    def put(self, folder: Path, *, kind: str, meta: Mapping[str, object] | None = None) -> Artefact:
        self._refuse(f"{kind} in {folder} {meta or ''}")

    def get(self, digest: str) -> Artefact:
        self._refuse(digest)

    def missing(self, digests: Collection[str]) -> set[str]:
        return set(digests)

    def drop(self, digest: str) -> None:
        self._refuse(digest)

    def _refuse(self, request: str) -> NoReturn:
        raise ArtefactError(f"internal error: a preview has no store ({request})")


def preview(
    project: Project,
    name: str,
    clock: Clock,
    subject_key: bytes | None = None,
    *,
    read_feedback: ReadFeedback | None = None,
    inputs: Mapping[str, Artefact] | None = None,
) -> DatasetPreview:
    """The dataset of that name from its files, and from feedback where it can be read; raises
    DataError where they cannot be used. `inputs` has models that the spec names."""
    specs = {key: loaded.spec for key, loaded in project.specs.items()}
    spec = project.spec(name, Dataset)
    readable = (*READABLE_SOURCES, "feedback") if read_feedback else READABLE_SOURCES
    read = tuple(source for source in spec.sources if source.type in readable)
    unread = tuple(_name(source) for source in spec.sources if source.type not in readable)
    rehearsed = spec.model_copy(update={"sources": read, "expectations": ()})
    bench = BuildContext(
        project.folder,
        Path(),
        Path(),
        _NoStore(),
        clock,
        read_feedback=read_feedback,
        specs=specs,
        subject_key=subject_key,
    )
    gathered = read_sources(rehearsed, bench)
    raw = [dict(row) for row in gathered.rows]
    if not raw:
        rehearsed = rehearsed.model_copy(update={"split": type(spec.split)(), "deduplicate": None})
    prepared = prepare_rows(rehearsed, bench, gathered, inputs)
    both, kept_out = leakage_counts(prepared)
    return DatasetPreview(
        prepared, raw, label_counts(spec, prepared, bench), both, kept_out, unread
    )


def difference(
    spec: Dataset, before: DatasetPreview | None, after: DatasetPreview
) -> DataDifference:
    """Difference between two previews; without `before` all rows are new."""
    empty: dict[str, list[MutableRow]] = {name: [] for name in SPLITS}
    rows = compare(before.prepared.splits if before else empty, after.prepared.splits)
    pii_counts, at = _personal(spec, new_rows(after.raw, before.raw if before else ()))
    earlier = set(_leaks(before)) if before else set()
    return DataDifference(
        rows=rows,
        labels=_pairs(_totals(before), _totals(after)),
        pii=pii_counts,
        pii_locations=at,
        leaking_rows=(before.leaking_rows if before else 0, after.leaking_rows),
        excluded_leaks=(before.excluded_leaks if before else 0, after.excluded_leaks),
        leaks=tuple(leak for leak in _leaks(after) if leak not in earlier)[:SHOWN],
        quarantined={
            reason: pair
            for reason, pair in _pairs(_reasons(before), _reasons(after)).items()
            if pair[0] != pair[1]
        },
        unread_sources=tuple(
            dict.fromkeys([*(before.unread_sources if before else ()), *after.unread_sources])
        ),
    )


def _personal(spec: Dataset, rows: Sequence[DatasetRow]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Personal data in these rows by kind, and where the first of them stand."""
    counts: dict[str, int] = {}
    holders = []
    for row in rows:
        _, counts_of_row = redact_row(row, spec.privacy.kinds)
        for kind, count in counts_of_row.items():
            counts[kind] = counts.get(kind, 0) + count
        holders += [row] if counts_of_row else []
    return dict(sorted(counts.items())), tuple(source_lines(holders, SHOWN))


def _leaks(side: DatasetPreview) -> list[str]:
    dropped = side.prepared.quarantine.rows
    return [f"{row.get(ORIGIN)} {reason}" for row, reason in dropped if reason.startswith("leaks")]


def _totals(side: DatasetPreview | None) -> dict[str, int]:
    totals: dict[str, int] = {}
    for counts in side.labels.values() if side else ():
        for label, count in counts.items():
            totals[label] = totals.get(label, 0) + count
    return totals


def _reasons(side: DatasetPreview | None) -> dict[str, int]:
    return side.prepared.quarantine.counts() if side else {}


def _pairs(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    names = sorted({*before, *after})
    return {name: (before.get(name, 0), after.get(name, 0)) for name in names}


def _name(source: Any) -> str:
    return f"feedback of '{source.of}'" if source.type == "feedback" else f"hub {source.repo}"
