"""Users corrected enough answers since the last firing."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tidemill.spec.base import Frozen
from tidemill.triggers import Held, TriggerState, enough

VERSION = 1


class Options(Frozen):
    """How many."""

    at_least: int = Field(ge=1, le=20_000)
    """Corrections that no firing has used yet."""


def holds(options: Options, state: TriggerState, now: datetime) -> Held:  # noqa: ARG001 - contract
    """Count the corrections, nobody beyond their share."""
    rows = [signal for signal in state.signals if signal.kind == "correction"]
    return enough(rows, options.at_least, state, "corrections")
