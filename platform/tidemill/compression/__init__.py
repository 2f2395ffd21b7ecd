"""Compression steps: one file each, named as specs name it; from one form of a model to the next.

A step module has `VERSION`, `KIND` (the kind of artefact it gives; `kind(options)` where options
decide) and

`compress(source, out, options, *, resolve, calibration, say) -> None`

which reads the model in `source` and writes a finished one, `form.json` included, into `out`, a
folder that does not exist yet. `resolve` finds an adapter's base by digest; `calibration` are
conversations of the train split, or None. Both folders lie beside each other in scratch, where an
ONNX export made for one step is found again by the next. Targets live in `_targets`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

Resolve = Callable[[str], Path]
Conversations = Sequence[Sequence[Mapping[str, str]]]


class Say(Protocol):
    """Where progress goes: a line for a log, or a bar."""

    def __call__(
        self, message: str, *, done: float | None = None, total: float | None = None
    ) -> None: ...


def silent(message: str, *, done: float | None = None, total: float | None = None) -> None:
    """A `Say` that says nothing."""


def kind_of(step: ModuleType, options: Any) -> str:
    """The kind of artefact a step gives with these options."""
    decide = getattr(step, "kind", None)
    return str(decide(options) if decide else step.KIND)
