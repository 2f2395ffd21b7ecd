"""Forges: where people read changes, talk about them and merge them."""

from __future__ import annotations

from tidemill.adapters.forge.detect import proposal_number
from tidemill.adapters.forge.memory import MemoryForge

__all__ = ["MemoryForge", "proposal_number"]
