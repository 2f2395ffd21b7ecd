"""Columns under our names, and the columns a format needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.data.rows import OURS, SOURCE, Dropped, Row
from tidemill.errors import DataError, suggest

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "classification": ("text", "label"),
    "completion": (),
    "chat": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
}


def apply(rows: Sequence[Row], columns: Mapping[str, str]) -> list[Row]:
    """Rename columns: ours on the left, the source's on the right; the others keep their name."""
    if not columns or not rows:
        return list(rows)
    _known(rows, columns)
    taken = set(columns.values())
    return [_rename(row, columns, taken) for row in rows]


def _rename(row: Row, columns: Mapping[str, str], taken: set[str]) -> Row:
    kept = {name: value for name, value in row.items() if name not in taken}
    return {**kept, **{ours: row.get(theirs) for ours, theirs in columns.items()}}


def _known(rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    names = sorted({name for row in rows for name in row if not name.startswith(OURS)})
    for ours, theirs in columns.items():
        if theirs not in names:
            where = rows[0].get(SOURCE, "the source")
            raise DataError(
                f"{where}: no column '{theirs}', which `map.{ours}` names; {suggest(theirs, names)}"
            )


def complete(rows: Sequence[Row], form: str) -> tuple[list[Row], Dropped]:
    """Rows that have what their format needs, and the others with what they lack."""
    kept: list[Row] = []
    dropped: Dropped = []
    for row in rows:
        lacking = [name for name in REQUIRED[form] if _empty(row.get(name))]
        if form == "chat" and not lacking and not _is_chat(row["messages"]):
            lacking = ["messages (a list of objects with `role` and `content`)"]
        if lacking:
            dropped.append((row, f"incomplete: no {', '.join(lacking)}"))
        else:
            kept.append(row)
    return kept, dropped


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _is_chat(messages: Any) -> bool:
    return isinstance(messages, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("content"), str) and turn.get("role")
        for turn in messages
    )
