"""Where the progress of long work goes."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Shows how far a work is: a line in a log, or a bar of `done` of `total`."""

    def __call__(
        self, message: str, *, done: float | None = None, total: float | None = None
    ) -> None: ...


def no_progress(message: str, *, done: float | None = None, total: float | None = None) -> None:
    """A `Progress` that shows nothing."""
