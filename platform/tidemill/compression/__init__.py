"""A model made smaller and faster: steps lie in `steps`, runtimes in `targets`; here is what they
share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

Resolve = Callable[[str], Path]
Conversations = Sequence[Sequence[Mapping[str, str]]]


def artefact_kind(step: ModuleType, options: Any) -> str:
    """The kind of artefact a step gives with these options."""
    decide = getattr(step, "kind", None)
    return str(decide(options) if decide else step.KIND)
