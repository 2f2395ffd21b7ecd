"""A cluster of failures as an evaluation slice: its test rows, and the files that change.

A slice holds rows of the test split alone. A row of a user joins them where several people or a
reviewer vouch for its answer; as a row of a file with `split: test` it is held out from then on,
and so is everything that asks the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.data.rows import METADATA_COLUMNS, columns_of
from tidemill.engine.failure_cluster import FailureCluster
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.pipeline.slice_members import question_key
from tidemill.planning.current_dataset import current_dataset
from tidemill.planning.failure_clusters import FailureClusters
from tidemill.planning.service_failures import ServiceSpecs
from tidemill.planning.vouched_rows import RowFinder, VouchedRow
from tidemill.rows import DatasetRow, MutableRow
from tidemill.spec.dataset import Dataset, FileSource
from tidemill.spec.load import LoadedSpec, display_path
from tidemill.spec.positions import Path_
from tidemill.spec.rewrite import APPEND, rewrite
from tidemill.spec.slice_rows import NamedRow, read_slice_rows, write_slice_rows

FOLDER = "slices"
TEST_ROWS = f"{FOLDER}/test-rows.jsonl"
"""Rows of users that are test rows now: one file for all slices, so that none is in it twice."""


@dataclass(frozen=True)
class SliceProposal:
    """A slice with its rows, and what it changes."""

    name: str
    rows: tuple[VouchedRow, ...]
    left_out: Mapping[str, int]
    """Failures of the cluster that are not in it, by the reason."""
    files: Mapping[str, bytes | None]
    """Path below the project's folder → new content; empty where the slice has all of its rows."""

    @property
    def added_rows(self) -> tuple[VouchedRow, ...]:
        """Rows that were no test rows before."""
        return tuple(row for row in self.rows if row.split != "test")


def propose_slice(
    home: Home, groups: FailureClusters, cluster: FailureCluster, name: str | None = None
) -> SliceProposal:
    """The slice of a cluster; raises TidemillError where no row is fit to be tested on."""
    specs = groups.source.specs
    slice_name = _slug(name or ("" if not cluster.number else " ".join(cluster.words)))
    if not slice_name:
        raise TidemillError("this cluster has no name that a slice can have; give one with --name")
    project, dataset = specs.project, specs.dataset
    current = groups.source.current or current_dataset(home, project.name, dataset.name)
    finder = RowFinder.build(current.preview.prepared, specs.form)
    rows: dict[object, VouchedRow] = {}
    left_out: dict[str, int] = {}
    for failure in reversed(cluster.failures):  # the oldest stands for its question for good
        outcome = finder.find(failure)
        if isinstance(outcome, VouchedRow):
            rows.setdefault(outcome.key, outcome)
        else:
            left_out[outcome] = left_out.get(outcome, 0) + 1
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise TidemillError(
            f"no row of this cluster is fit to be tested on: {reasons}; settle some with "
            f"`tidemill review {specs.service}`, then run again"
        )
    chosen = tuple(rows.values())
    return SliceProposal(slice_name, chosen, left_out, _files(specs, slice_name, chosen))


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")


def _files(specs: ServiceSpecs, name: str, rows: tuple[VouchedRow, ...]) -> dict[str, bytes | None]:
    path = f"{FOLDER}/{name}.jsonl"
    files = _slice_file(specs.project.folder, path, rows)
    loaded = specs.project.specs[specs.evaluation.name]
    part = {"name": name, "rows_file": path}
    slices = [entry.name for entry in specs.evaluation.slices]
    if name not in slices:
        files |= _append_item(loaded, "slices", part, empty=not slices)
    elif specs.evaluation.slices[slices.index(name)].rows_file != path:
        raise TidemillError(
            f"'{specs.evaluation.name}' has a slice '{name}' of other rows; choose another --name"
        )
    added = [row.row for row in rows if row.split != "test"]
    return files | _test_rows(specs, added) if added else files


def _slice_file(folder: Path, path: str, rows: tuple[VouchedRow, ...]) -> dict[str, bytes | None]:
    """The slice's file with the rows that it does not name yet: a slice only grows."""
    lines = list(read_slice_rows(folder / path)) if (folder / path).is_file() else []
    present = {question_key(row.question) for _, row in lines if isinstance(row, NamedRow)}
    added = [_line(row) for row in rows if row.key not in present]
    return {path: _lines_of(folder / path) + write_slice_rows(added)} if added else {}


def _lines_of(path: Path) -> bytes:
    """The bytes of a file, its last line complete; empty where there is none."""
    content = path.read_bytes() if path.is_file() else b""
    return content + b"\n" if content and not content.endswith(b"\n") else content


def _line(row: VouchedRow) -> dict[str, object]:
    """A line of the slice's file; what is wanted, and where it was seen, is for people."""
    origin = {} if row.failure.is_test_row else {"response": row.failure.id}
    return {"question": dict(row.question), "wanted": row.expected, **origin}


def _test_rows(specs: ServiceSpecs, rows: list[DatasetRow]) -> dict[str, bytes | None]:
    """The file with the rows added, and the Dataset that reads it."""
    project, dataset = specs.project, specs.dataset
    before = _lines_of(project.folder / TEST_ROWS)
    lines = (json.dumps(_columns(row, dataset), ensure_ascii=False, default=str) for row in rows)
    files: dict[str, bytes | None] = {TEST_ROWS: before + "".join(f"{x}\n" for x in lines).encode()}
    paths = [source.path for source in dataset.sources if isinstance(source, FileSource)]
    if TEST_ROWS not in paths:
        source = {"type": "file", "path": TEST_ROWS, "split": "test"}
        files |= _append_item(project.specs[dataset.name], "sources", source)
    return files


def _columns(row: DatasetRow, dataset: Dataset) -> MutableRow:
    """A row as its file has it: under the sources' own names, and without the user."""
    needed = set(_needed_columns(dataset))
    columns = {
        name: value
        for name, value in columns_of(row).items()
        if value is not None and (name not in METADATA_COLUMNS or name in needed)
    }
    renamed = {theirs: columns.pop(ours, None) for ours, theirs in dataset.map.items()}
    return {**columns, **renamed}


def _needed_columns(dataset: Dataset) -> Iterator[str]:
    """Columns about a row without which the dataset would leave it out."""
    if dataset.privacy.regions:
        yield "region"
    if dataset.split.by == "time":
        yield str(dataset.split.key)


def _append_item(
    loaded: LoadedSpec, key: str, item: Mapping[str, object], *, empty: bool = False
) -> dict[str, bytes | None]:
    """A spec with one more item in a list of it."""
    path: Path_ = (key,) if empty else (key, APPEND)
    value = [dict(item)] if empty else dict(item)
    text = rewrite(loaded.path.read_bytes(), {path: value}, display_path(loaded.path))
    return {loaded.path.name: text}
