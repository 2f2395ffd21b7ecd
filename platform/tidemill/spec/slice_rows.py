"""The file of a slice: the test rows that it names, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.rows import DatasetRow

ENDING = ".jsonl"
WAY_OUT = 'write {"id": "…"} or {"question": {"COLUMN": "…"}}'


@dataclass(frozen=True)
class NamedRow:
    """A line of the file: the id of a row, or what a row asks."""

    id: str = ""
    question: DatasetRow = field(default_factory=dict)
    """Columns with their values; empty where the id names the row."""


def read_slice_rows(path: Path) -> Iterator[tuple[int, NamedRow | str]]:
    """Each line that is not blank, by its number: the row it names, or why it names none.

    Other keys, such as `wanted`, are for people. Raises OSError where the file cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _parse(line)


def write_slice_rows(rows: Iterable[Mapping[str, object]]) -> bytes:
    """The bytes of such a file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _parse(line: str) -> NamedRow | str:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(value, dict):
        return "is no JSON object"
    row_id, question = value.get("id"), value.get("question")
    if isinstance(row_id, str) and row_id:
        return NamedRow(id=row_id)
    if isinstance(question, dict) and question:
        return NamedRow(question=question)
    return "names no row"
