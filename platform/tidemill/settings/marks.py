"""Marks of a settings field: what its value has to be, its default in words, a hidden password."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expects:
    """Marks a field with what its value has to be: it completes `VARIABLE is 'x', not …`."""

    text: str


@dataclass(frozen=True)
class DefaultText:
    """Marks a field whose default is worked out: that default in words."""

    text: str


class MayHoldPassword:
    """Marks an address in which people write a password: it is shown without."""
