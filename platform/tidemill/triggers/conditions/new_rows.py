"""Enough new feedback came in since the last firing."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tidemill.spec.base import Frozen
from tidemill.spec.feedback import FeedbackKind
from tidemill.triggers import ConditionResult, TriggerState, at_least_signals

VERSION = 2


class Options(Frozen):
    """Options of `type: new_rows`."""

    at_least: int = Field(ge=1, le=20_000)
    """Rows that no firing has used yet."""
    kinds: tuple[FeedbackKind, ...] = ()
    """Kinds that count; all without it."""


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:  # noqa: ARG001 - contract
    """Count the feedback of the wanted kinds, nobody beyond their share."""
    rows = [s for s in state.consented_signals if not options.kinds or s.kind in options.kinds]
    return at_least_signals(rows, options.at_least, state, "new rows")
