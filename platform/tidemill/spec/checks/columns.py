"""Columns that specs name, against the ones that a dataset's files begin with.

Only what is sure is told: files in a format that needs a library, pointers and hub files may hold
anything, and so may a dataset that reads one. Rows made from feedback add no new columns.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from tidemill.errors import suggest
from tidemill.spec.base import Spec
from tidemill.spec.checks.files import lies_in
from tidemill.spec.dataset import Dataset, FeedbackSource, FileSource
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import Project
from tidemill.spec.neighbours import find_spec, fine_tune_of
from tidemill.spec.options import FieldProblem
from tidemill.spec.positions import Path_
from tidemill.spec.prompt import Prompt, TextOutput

OURS = {"id", "subject", "group", "source", "weight", "region", "time", "consent"}
"""Columns every finished row may have."""
_NEEDED = {"classification": ("text", "label"), "ranking": ("history", "label")}
MAX_BYTES = 1 << 18
"""A larger JSONL file is not read: any of its rows may have one column more."""


@dataclass
class Columns:
    """The columns of a project's datasets, each looked up once."""

    project: Project
    cache: dict[str, set[str] | None] = field(default_factory=dict)

    def raw(self, dataset: Dataset) -> set[str] | None:
        """Under the sources' own names; None where they cannot be known."""
        if dataset.name not in self.cache:
            self.cache[dataset.name] = _raw(dataset, self.project.folder)
        return self.cache[dataset.name]

    def columns_of(self, name: str) -> set[str] | None:
        """Columns of a dataset's finished rows, without `OURS`; None where they are unknown."""
        dataset = find_spec(self.project, name, Dataset)
        raw = self.raw(dataset) if dataset else None
        if dataset is None or raw is None:
            return None
        return (raw - set(dataset.map.values())) | set(dataset.map)

    def check(self, spec: Spec) -> Iterator[FieldProblem]:
        """Every column a spec names that its dataset cannot have."""
        if isinstance(spec, Dataset):
            yield from self._dataset(spec)
        elif isinstance(spec, FineTune):
            yield from self._prompt(spec.prompt, ("prompt",), spec.dataset)
        elif isinstance(spec, Evaluation):
            yield from self._evaluation(spec)

    def _dataset(self, dataset: Dataset) -> Iterator[FieldProblem]:
        raw = self.raw(dataset)
        if raw is None:
            return
        for ours, theirs in dataset.map.items():
            if theirs not in raw:
                cause = f"'{ours}: {theirs}' names no column of the sources"
                yield FieldProblem(("map", ours), cause, suggest(theirs, sorted(raw)))
        columns = self.columns_of(dataset.name) or set()
        for column in _NEEDED.get(dataset.format, ()):
            if column in columns:
                continue
            cause = f"format {dataset.format} needs a column '{column}'"
            yield FieldProblem(("format",), cause, f"map a column to it: 'map: {{{column}: …}}'")
        if dataset.deduplicate:
            yield from self._column_problems(
                dataset.name, dataset.deduplicate.key, ("deduplicate", "key")
            )
        if dataset.split.key:
            yield from self._column_problems(dataset.name, dataset.split.key, ("split", "key"))

    def _evaluation(self, spec: Evaluation) -> Iterator[FieldProblem]:
        tune = fine_tune_of(self.project, spec.of)
        inherited = tune.prompt if tune else None
        if spec.prompt:
            yield from self._prompt(spec.prompt, ("prompt",), spec.dataset)
        elif tune and tune.dataset != spec.dataset:  # else the fine-tune has been told already
            yield from self._prompt(inherited, ("dataset",), spec.dataset)
        for index, part in enumerate(spec.slices):
            if part.column is not None:
                path = ("slices", index, "column")
                yield from self._column_problems(spec.dataset, part.column, path)

    def _prompt(self, name: str | None, path: Path_, rows: str) -> Iterator[FieldProblem]:
        prompt, columns = find_spec(self.project, name, Prompt), self.columns_of(rows)
        if prompt is None or columns is None:
            return
        output = prompt.output
        label = output.label if isinstance(output, TextOutput) else None
        needed = [*prompt.inputs, output.column, *([label] if label else [])]
        for column in dict.fromkeys(needed):
            if column not in columns | OURS:
                cause = f"prompt '{name}' reads the column '{column}', which '{rows}' does not have"
                yield FieldProblem(path, cause, suggest(column, sorted(columns)))

    def _column_problems(self, dataset: str, column: str, path: Path_) -> Iterator[FieldProblem]:
        columns = self.columns_of(dataset)
        if columns is not None and column not in columns | OURS:
            cause = f"'{path[-1]}: {column}' names no column of the rows"
            yield FieldProblem(path, cause, suggest(column, sorted(columns)))


def _raw(dataset: Dataset, folder: Path) -> set[str] | None:
    """Columns under the sources' own names."""
    columns: set[str] = set()
    for source in dataset.sources:
        if isinstance(source, FeedbackSource):
            continue
        readable = isinstance(source, FileSource) and lies_in(folder, source.path)
        file_columns = _of_file(folder / source.path) if readable else None
        if not file_columns:
            return None
        columns |= file_columns
    return columns or None


def _of_file(path: Path) -> set[str] | None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                # A file without line ends would be one line of any size.
                return set(next(csv.reader(StringIO(file.read(MAX_BYTES))), []))
            if path.suffix == ".jsonl" and path.stat().st_size <= MAX_BYTES:
                rows = [json.loads(line) for line in file if line.strip()]
                return {key for row in rows if isinstance(row, dict) for key in row}
    except (OSError, ValueError, RecursionError, csv.Error):
        pass  # a missing file has its own message, a broken row is quarantined with its own
    return None
