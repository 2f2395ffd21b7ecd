"""Progress on a terminal: a bar for long work, a line for each message elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.progress import Progress
from tidemill.terminal.amounts import strip_control_lines


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """A `Say` for people: bars when standard error is a terminal, plain lines otherwise."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),  # a commit may say [skip ci]
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
            message = strip_control_lines(message)
            if done is None:
                console.print(message, highlight=False, markup=False)
                progress.update(bar, description=message, total=None)
            else:
                progress.update(bar, description=message, completed=done, total=total)

        yield say


def _lines() -> Progress:
    """One line for each message and each quarter of a long work."""
    last = [-1]

    def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
        quarter = int(4 * done / total) if done is not None and total else -1
        if quarter == -1 or quarter != last[0]:
            share = f" {done:g}/{total:g}" if done is not None and total else ""
            print(f"{strip_control_lines(message)}{share}", file=sys.stderr, flush=True)  # noqa: T201
        last[0] = quarter

    return say
