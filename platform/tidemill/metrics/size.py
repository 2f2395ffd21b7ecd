"""Bytes of everything the served form consists of."""

from __future__ import annotations

from pathlib import Path

VERSION = 1
KIND = "size"
BETTER = "lower"
RANGE = (0.0, None)
UNIT = "bytes"
NEEDS_REFERENCE = False


def folder_bytes(folder: Path) -> float:
    """Bytes of all files below the folder."""
    return float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
