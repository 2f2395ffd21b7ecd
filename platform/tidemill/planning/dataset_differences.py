"""How the rows of datasets differ between the two revisions of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.engine.plan import PlanEntry
from tidemill.errors import DataError, MissingExtra
from tidemill.planning.revisions import Revision, Revisions
from tidemill.ports import Clock

if TYPE_CHECKING:
    from tidemill.pipeline.preview import DataDifference
    from tidemill.spec.dataset import Dataset
    from tidemill.spec.load import Project

MAX_BYTES = 64 << 20
"""Larger data is for `tidemill data diff`."""


def dataset_differences(
    revisions: Revisions, entries: Iterable[PlanEntry], clock: Clock
) -> tuple[dict[str, DataDifference], dict[str, str]]:
    """How changed and new datasets differ, by `project/name`; and why one could not be compared."""
    differences: dict[str, DataDifference] = {}
    notes: dict[str, str] = {}
    for entry in entries:
        differs = entry.state in ("changed", "new") and entry.key in revisions.desired
        if entry.kind != "Dataset" or not differs:
            continue
        try:
            differences[entry.key] = compare_dataset(
                revisions, entry.project, entry.name, clock, MAX_BYTES
            )
        except (DataError, MissingExtra) as error:
            notes[entry.key] = str(error)
    return differences, notes


def compare_dataset(
    revisions: Revisions, project: str, name: str, clock: Clock, max_bytes: int | None = None
) -> DataDifference:
    """One dataset in both revisions; raises DataError where its rows cannot be read."""
    from tidemill.pipeline.preview import difference, preview
    from tidemill.spec.dataset import Dataset

    head = read_project(revisions.head, project)
    spec = head.spec(name, Dataset)
    _check_size(head.folder, spec, max_bytes)
    after = preview(head, name, clock, revisions.subject_key)
    before = None
    former = revisions.former.get(f"{project}/{name}")
    if former and former.kind == "Dataset" and former.digest:
        before = preview(read_project(revisions.base, project), name, clock, revisions.subject_key)
    return difference(spec, before, after)


def read_project(revision: Revision, name: str) -> Project:
    """One project, read from its files; a link to its folder may have another name."""
    from tidemill.spec.load import read

    root = revision.materialise_files([name])
    project = read(root, only=[name]).workspace.projects.get(name)
    return project or read(root).workspace.projects[name]


def _check_size(folder: Path, spec: Dataset, max_bytes: int | None) -> None:
    if max_bytes is None:
        return
    paths = (folder / source.path for source in spec.sources if source.type == "file")
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if size > max_bytes:
        raise DataError(
            f"{size >> 20} MiB of rows are too much for a plan; `tidemill data diff {spec.name}` "
            "compares them"
        )
