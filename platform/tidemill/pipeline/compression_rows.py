"""The rows of a Compression: those that answers are compared on, and those it calibrates with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.data import read_split
from tidemill.errors import DataError
from tidemill.pipeline.context import BuildContext
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.spec.base import Spec
from tidemill.spec.compression import Compression


def comparison_rows(
    spec: Compression, inputs: Mapping[str, Artefact], bench: BuildContext
) -> list[DatasetRow]:
    """The first validation rows, filled up with train rows."""
    name = _dataset_of(spec, bench.specs)
    if name is None or name not in inputs:
        raise DataError(
            f"compression '{spec.name}' has no rows to compare answers on; name a `dataset`"
        )
    row_count = spec.equivalence.rows
    rows = read_split(inputs[name].path, "validation")[:row_count]
    rows += read_split(inputs[name].path, "train")[: row_count - len(rows)]
    if not rows:
        raise DataError(
            f"dataset '{name}' has neither validation nor train rows to compare on; give its "
            "split shares of them"
        )
    return rows


def calibration_conversations(
    spec: Compression, inputs: Mapping[str, Artefact], program: Any
) -> Sequence[Any] | None:
    """Conversations of the first train rows that the spec names; None where it names none."""
    if spec.calibration is None:
        return None
    rows = read_split(inputs[spec.calibration.dataset].path, "train")[: spec.calibration.rows]
    if program is None:
        return [[{"role": "user", "content": str(row["text"])}] for row in rows]
    return [program.messages(row) for row in rows]


def _dataset_of(spec: Spec | None, specs: Mapping[str, Spec]) -> str | None:
    visited: set[str] = set()
    while spec is not None and spec.name not in visited:
        visited.add(spec.name)
        if dataset := getattr(spec, "dataset", None):
            return str(dataset)
        spec = specs.get(getattr(spec, "of", None) or getattr(spec, "base", None) or "")
    return None
