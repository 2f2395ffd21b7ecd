"""Leave out rows whose text is too short or too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill.data.rows import Dropped
from tidemill.rows import MutableRow
from tidemill.spec.base import Frozen

VERSION = 1


class Options(Frozen):
    """Options of `length`."""

    column: str = "text"
    """The column that is measured."""
    unit: Literal["characters", "words"] = "characters"
    """The unit of both limits."""
    minimum: int = Field(default=1, ge=0)
    """Fewest."""
    maximum: int | None = Field(default=None, ge=1)
    """Most; no limit without it."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError(f"maximum {self.maximum} is below minimum {self.minimum}")
        return self


def apply(rows: Sequence[MutableRow], options: Options) -> tuple[list[MutableRow], Dropped]:
    """Keep rows within the limits."""
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        text = row.get(options.column)
        text = text if isinstance(text, str) else ""
        size = len(text.split()) if options.unit == "words" else len(text)
        if size < options.minimum:
            dropped.append((row, f"too short: {options.column} has {size} {options.unit}"))
        elif options.maximum is not None and size > options.maximum:
            dropped.append((row, f"too long: {options.column} has {size} {options.unit}"))
        else:
            remaining.append(row)
    return remaining, dropped
