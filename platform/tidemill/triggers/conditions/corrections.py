"""Users corrected enough answers since the last firing."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tidemill.spec.base import Frozen
from tidemill.triggers import ConditionResult, TriggerState, at_least_signals

VERSION = 1


class Options(Frozen):
    """Options of `type: corrections`."""

    at_least: int = Field(ge=1, le=20_000)
    """Corrections that no firing has used yet."""


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:  # noqa: ARG001 - contract
    """Count the corrections, nobody beyond their share."""
    given = [signal for signal in state.signals if signal.kind == "correction"]
    rows = [signal for signal in state.consented_signals if signal.kind == "correction"]
    left_out = len(given) - len(rows)
    what = "corrections" + (f" with consent ({left_out} without)" if left_out else "")
    return at_least_signals(rows, options.at_least, state, what)
