"""What `feedback withdraw` says of the rows it takes out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tidemill.terminal.amounts import format_count, format_value, strip_control

if TYPE_CHECKING:
    from tidemill.records import SelectedFeedback, Withdrawal


def selected_lines(selected: SelectedFeedback) -> list[str]:
    """The rows that a withdrawal would take out, with the newest ones."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(selected.kinds.items()))
    people = format_count(selected.subjects, "subject")
    lines = [
        f"{format_count(selected.rows, 'row')} of {people}: {kinds}",
        f"  given from {selected.first:%Y-%m-%d %H:%M:%S} to {selected.last:%Y-%m-%d %H:%M:%S} UTC",
    ]
    for row in selected.examples:
        person = (row.person or "–")[:8]
        line = f"  {row.time:%m-%d %H:%M:%S}  {row.kind:<10}  {person:<8}  "
        lines.append(strip_control(line) + format_value(row.content))
    hidden = selected.rows - len(selected.examples)
    return [*lines, f"  … and {hidden} more"] if hidden > 0 else lines


def result_line(done: Withdrawal | None, before: int) -> str:
    """What was withdrawn; `before` counts rows that match and were out already."""
    if done is not None:
        return (
            f"withdrawal {done.id} took out {format_count(done.rows, 'row')}; the next `tidemill "
            "run` of a dataset with such rows builds it without them, `tidemill feedback withdraw "
            f"--undo {done.id}` undoes it"
        )
    if before:
        rows = format_count(before, "row")
        return f"nothing to withdraw: all feedback that matches is out already ({rows})"
    return "nothing to withdraw: no feedback matches"


def withdrawal_line(one: Withdrawal) -> str:
    """One withdrawal in a list."""
    state = f", undone {one.undone_at:%Y-%m-%d %H:%M}" if one.undone_at else ""
    reason = f": {one.reason}" if one.reason else ""
    chosen = [
        f"{name} {', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in asdict(one.selection).items()
        if value
    ]
    return (
        f"{one.id:>4}  {one.withdrawn_at:%Y-%m-%d %H:%M}  {format_count(one.rows, 'row')}{state}  "
        f"by {one.principal or 'somebody'}{reason}  ({', '.join(chosen)})"
    )
