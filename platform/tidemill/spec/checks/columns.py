"""Columns that specs name, against the ones that a dataset's files begin with.

Only what is sure is told: files in a format that needs a library, pointers and hub files may hold
anything, and so may a dataset that reads one. Rows made from feedback add no new columns.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tidemill.errors import suggest
from tidemill.spec.base import Spec
from tidemill.spec.checks._neighbours import find, fine_tune_of
from tidemill.spec.checks.files import lies_in
from tidemill.spec.dataset import Dataset, FeedbackSource, FileSource
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.options import Found
from tidemill.spec.positions import Path_
from tidemill.spec.prompt import Prompt, TextOutput

OURS = {"id", "subject", "group", "source", "weight", "region", "time", "consent"}
"""Columns every finished row may have."""
MAX_BYTES = 1 << 18
"""A larger JSONL file is not read: any of its rows may have one column more."""


def check_columns(spec: Spec, project: Project) -> Iterator[Found]:
    """Every column a spec names that its dataset cannot have."""
    if isinstance(spec, Dataset):
        yield from _dataset(spec, project.folder)
    if isinstance(spec, FineTune):
        yield from _prompt(spec.prompt, ("prompt",), spec.dataset, project)
    if isinstance(spec, Evaluation):
        tune = fine_tune_of(project, spec.of)
        inherited = tune.prompt if tune else None
        path = "prompt" if spec.prompt else "dataset"
        yield from _prompt(spec.prompt or inherited, (path,), spec.dataset, project)
        dataset = find(project, spec.dataset, Dataset)
        for index, part in enumerate(spec.slices):
            yield from _named(dataset, project.folder, part.column, ("slices", index, "column"))


def columns(dataset: Dataset, folder: Path) -> set[str] | None:
    """The columns of the finished rows, without `OURS`; None where they cannot be known."""
    raw = _raw(dataset, folder)
    return None if raw is None else (raw - set(dataset.map.values())) | set(dataset.map)


def _dataset(dataset: Dataset, folder: Path) -> Iterator[Found]:
    raw = _raw(dataset, folder)
    if raw is None:
        return
    for ours, theirs in dataset.map.items():
        if theirs not in raw:
            cause = f"'{ours}: {theirs}' names no column of the sources"
            yield Found(("map", ours), cause, suggest(theirs, tuple(raw)))
    if dataset.format == "classification":
        for needed in ("text", "label"):
            if needed not in (columns(dataset, folder) or ()):
                way_out = f"map a column to it: 'map: {{{needed}: …}}'"
                cause = f"format classification needs a column '{needed}'"
                yield Found(("format",), cause, way_out)
    if dataset.deduplicate:
        yield from _named(dataset, folder, dataset.deduplicate.key, ("deduplicate", "key"))
    if dataset.split.key:
        yield from _named(dataset, folder, dataset.split.key, ("split", "key"))


def _prompt(name: str | None, path: Path_, rows: str, project: Project) -> Iterator[Found]:
    prompt, dataset = find(project, name, Prompt), find(project, rows, Dataset)
    known = columns(dataset, project.folder) if dataset else None
    if prompt is None or known is None:
        return
    output = prompt.output
    label = output.label if isinstance(output, TextOutput) else None
    wanted = [*prompt.inputs, output.column, *([label] if label else [])]
    for column in dict.fromkeys(wanted):
        if column not in known | OURS:
            cause = f"prompt '{name}' reads the column '{column}', which '{rows}' does not have"
            yield Found(path, cause, suggest(column, tuple(known)))


def _named(dataset: Dataset | None, folder: Path, column: str, path: Path_) -> Iterator[Found]:
    known = columns(dataset, folder) if dataset else None
    if known is not None and column not in known | OURS:
        cause = f"'{path[-1]}: {column}' names no column of the rows"
        yield Found(path, cause, suggest(column, tuple(known)))


def _raw(dataset: Dataset, folder: Path) -> set[str] | None:
    """Columns under the sources' own names."""
    found: set[str] = set()
    for source in dataset.sources:
        if isinstance(source, FeedbackSource):
            continue
        readable = isinstance(source, FileSource) and lies_in(folder, source.path)
        here = _of_file(folder / source.path) if readable else None
        if not here:
            return None
        found |= here
    return found or None


def _of_file(path: Path) -> set[str] | None:
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, RecursionError, csv.Error):
        return None  # a missing file has its own message, a broken row is quarantined with its own


@lru_cache(maxsize=1024)
def _read(path: Path, _mtime: int, size: int) -> set[str] | None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            return set(next(csv.reader(file), []))
        if path.suffix == ".jsonl" and size <= MAX_BYTES:
            rows = [json.loads(line) for line in file if line.strip()]
            return {key for row in rows if isinstance(row, dict) for key in row}
    return None
