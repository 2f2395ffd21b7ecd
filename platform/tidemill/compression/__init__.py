"""A model made smaller and faster: steps lie in `steps`, runtimes in `targets`; here is what they
share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

Resolve = Callable[[str], Path]
Conversations = Sequence[Sequence[Mapping[str, str]]]


class Progress(Protocol):
    """Progress callback: a line for a log, or a bar with `done` of `total`."""

    def __call__(
        self, message: str, *, done: float | None = None, total: float | None = None
    ) -> None: ...


def no_progress(message: str, *, done: float | None = None, total: float | None = None) -> None:
    """A `Say` that says nothing."""


def artefact_kind(step: ModuleType, options: Any) -> str:
    """The kind of artefact a step gives with these options."""
    decide = getattr(step, "kind", None)
    return str(decide(options) if decide else step.KIND)
