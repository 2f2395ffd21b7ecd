"""A finished text as a file: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from tidemill.adapters.store.content_store import storage_errors, write_atomically


def write(path: Path, text: str) -> int:
    """Write it, with its folder where that is missing; gives its bytes. Raises StorageError."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
        return path.stat().st_size
