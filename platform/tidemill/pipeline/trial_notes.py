"""Notes of trainings that are compared with each other: what came of one, in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_note(path: Path) -> Any:
    """A note as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_note(path: Path, content: Mapping[str, object]) -> None:
    """Write a note at once or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)
