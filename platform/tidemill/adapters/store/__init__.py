"""Artefacts by digest: `DvcStore` keeps them in DVC's cache, `MemoryStore` for one process."""

from __future__ import annotations

from tidemill.adapters.store.dvc import DvcStore
from tidemill.adapters.store.memory import MemoryStore

__all__ = ["DvcStore", "MemoryStore"]
