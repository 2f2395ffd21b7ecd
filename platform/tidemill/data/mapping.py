"""Columns under our names, and the columns a format needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.data.rows import PREFIX, SOURCE, Dropped, is_review
from tidemill.errors import DataError, suggest
from tidemill.rows import MutableRow

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "classification": ("text", "label"),
    "completion": (),
    "chat": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "ranking": ("label",),
}


def apply(rows: Sequence[MutableRow], columns: Mapping[str, str]) -> list[MutableRow]:
    """Rename columns: ours on the left, the source's on the right; the others keep their name."""
    if not columns or not rows:
        return list(rows)
    _check_columns(rows, columns)
    sources = set(columns.values())
    return [_rename(row, columns, sources) for row in rows]


def _rename(row: MutableRow, columns: Mapping[str, str], taken: set[str]) -> MutableRow:
    others = {name: value for name, value in row.items() if name not in taken}
    return {**others, **{ours: row.get(theirs) for ours, theirs in columns.items()}}


def _check_columns(rows: Sequence[MutableRow], columns: Mapping[str, str]) -> None:
    names = sorted({name for row in rows for name in row if not name.startswith(PREFIX)})
    for ours, theirs in columns.items():
        if theirs not in names:
            source = rows[0].get(SOURCE, "the source")
            raise DataError(
                f"{source}: no column '{theirs}', which `map.{ours}` names; "
                f"{suggest(theirs, names)}"
            )


def complete(rows: Sequence[MutableRow], form: str) -> tuple[list[MutableRow], Dropped]:
    """Rows that have what their format needs, and the others with what they lack. A review that
    gives no answer lacks nothing."""
    complete_rows: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        lacking = [name for name in REQUIRED[form] if _empty(row.get(name))]
        if form == "chat" and not lacking and not _is_chat(row["messages"]):
            lacking = ["messages (a list of objects with `role` and `content`)"]
        if lacking and not is_review(row):
            dropped.append((row, f"incomplete: no {', '.join(lacking)}"))
        else:
            complete_rows.append(row)
    return complete_rows, dropped


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _is_chat(messages: Any) -> bool:
    return isinstance(messages, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("content"), str) and turn.get("role")
        for turn in messages
    )
