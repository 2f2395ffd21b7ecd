"""Which evaluated rows belong to each slice of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill.data.rows import normalise_text
from tidemill.errors import DataError
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.rows import DatasetRow
from tidemill.spec.evaluation import Slice
from tidemill.spec.slice_rows import WAY_OUT, NamedRow, read_slice_rows

Includes = Callable[[DatasetRow], bool]


@dataclass(frozen=True)
class SliceMembers:
    """A slice with the ids of its rows."""

    name: str
    ids: frozenset[str]

    def of(self, answers: Sequence[EvaluatedRow]) -> list[EvaluatedRow]:
        """The answers to rows of the slice, in their order."""
        return [answer for answer in answers if answer.id in self.ids]


def slice_members(
    slices: Sequence[Slice], answers: Sequence[EvaluatedRow], folder: Path
) -> tuple[SliceMembers, ...]:
    """The rows of each slice; `folder` is the project's. Raises DataError for a `rows_file` that
    cannot be read."""
    members = []
    for part in slices:
        includes = _by_column(part) if part.rows_file is None else _by_file(folder, part.rows_file)
        ids = frozenset(answer.id for answer in answers if includes(answer.row))
        members.append(SliceMembers(part.name, ids))
    return tuple(members)


def question_key(columns: DatasetRow) -> frozenset[tuple[str, str]]:
    """A question by column, without differences of case, width and white space."""
    return frozenset((name, _normalise(value)) for name, value in columns.items())


def _by_column(part: Slice) -> Includes:
    if part.equals is not None:
        return lambda row: bool(row.get(str(part.column)) == part.equals)
    return lambda row: row.get(str(part.column)) in part.one_of


def _by_file(folder: Path, name: str) -> Includes:
    rows = _read(folder / name, name)
    ids = {row.id for row in rows if row.id}
    questions = {question_key(row.question) for row in rows if row.question}
    shapes = {tuple(sorted(row.question)) for row in rows if row.question}

    def includes(row: DatasetRow) -> bool:
        return row.get("id") in ids or any(
            question_key({column: row.get(column) for column in shape}) in questions
            for shape in shapes
        )

    return includes


def _read(path: Path, name: str) -> list[NamedRow]:
    rows: list[NamedRow] = []
    try:
        for number, row in read_slice_rows(path):
            if isinstance(row, str):
                raise DataError(f"{name}:{number}: {row}; {WAY_OUT}")
            rows.append(row)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}; check the file") from error
    return rows


def _normalise(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return normalise_text(text)
