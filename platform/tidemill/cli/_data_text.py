"""Terminal output of `data show` and `data diff`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypedDict

from tidemill.cli import _plan_words
from tidemill.cli._votes_text import VoteContent, vote_lines
from tidemill.data.example_order import FILE
from tidemill.rows import DatasetRow, MutableRow
from tidemill.terminal.amounts import format_count, format_value, strip_control

if TYPE_CHECKING:
    from tidemill.pipeline.preview import DataDifference

Examples = dict[str, list[Any]]
"""Rows by what happened to them: added, removed, changed (pairs of before and after)."""


class DatasetContent(TypedDict):
    """The JSON form of `data show`."""

    project: str
    name: str
    rows: dict[str, int]
    """Rows of each split."""
    labels: dict[str, dict[str, int]]
    """Rows of each label, by split."""
    quarantined: dict[str, int]
    pii: dict[str, int]
    duplicates: dict[str, int]
    leaking: int
    """Train rows that ask what a test row asks."""
    not_read: list[str]
    vouched: dict[str, int]
    """Train rows by who vouches for their answer, in the order in which prompts show examples."""
    feedback: VoteContent | None
    """What users say, and what it comes to; None where no feedback was read."""
    examples: dict[str, list[MutableRow]]
    """The first rows of each split."""


def content_lines(content: DatasetContent) -> Iterator[str]:
    """Lines of `data show`."""
    counts = ", ".join(f"{split} {count:,}" for split, count in content["rows"].items())
    yield f"{content['project']}/{content['name']}: {counts}"
    by_split = content["labels"]
    for label in sorted({label for counts in by_split.values() for label in counts}):
        each = (f"{split} {by_split.get(split, {}).get(label, 0)}" for split in content["rows"])
        yield f"  {strip_control(label):<24} {', '.join(each)}"
    for reason, count in content["quarantined"].items():
        yield f"  left out: {strip_control(reason)} {count:,}"
    if content["pii"]:
        yield f"  personal data found: {', '.join(f'{n} {k}' for k, n in content['pii'].items())}"
    if content["not_read"]:
        yield f"  not read: {', '.join(map(strip_control, content['not_read']))}"
    if set(content["vouched"]) - {FILE}:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in content["vouched"].items())
        yield f"  train rows by who vouches for the answer: {kinds}"
    if content["feedback"]:
        yield from vote_lines(content["feedback"])
    for split, rows in content["examples"].items():
        yield from (f"  {split}: {_row(row)}" for row in rows)


def difference_lines(data: DataDifference, examples: Examples) -> Iterator[str]:
    """Lines of `data diff`: what differs, then a few rows of each sort."""
    yield from _plan_words.difference_lines(data, strip_control)
    yield from (f"+ {_row(row)}" for row in examples["added"])
    yield from (f"- {_row(row)}" for row in examples["removed"])
    for before, after in examples["changed"]:
        yield from _pair(before, after)
    hidden = _hidden_count(data, examples)
    if hidden:
        yield f"… and {format_count(hidden, 'row')} more; --rows shows them"


def _pair(before: DatasetRow, after: DatasetRow) -> Iterator[str]:
    names = [name for name in after if before.get(name) != after.get(name) and name != "id"]
    yield f"~ {_row(before)}"
    yield from (
        f"    {name}: {format_value(before.get(name))} → {format_value(after.get(name))}"
        for name in names
    )


def _hidden_count(data: DataDifference, examples: Examples) -> int:
    """Rows that differ and are not among the examples."""
    splits = data.rows.splits.values()
    differing = sum(split.added + split.removed + split.changed for split in splits)
    return differing - sum(map(len, examples.values()))


def _row(row: DatasetRow) -> str:
    hidden = ("id", "source", "weight")
    columns = {k: v for k, v in row.items() if k not in hidden and v is not None}
    return "  ".join(
        f"{strip_control(name)}={format_value(cell)}" for name, cell in columns.items()
    )
