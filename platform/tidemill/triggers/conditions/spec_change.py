"""A spec of the line changed in Git since the last firing."""

from __future__ import annotations

from datetime import datetime

from tidemill.spec.base import Frozen
from tidemill.triggers import ConditionResult, TriggerState

VERSION = 1


class Options(Frozen):
    """Nothing to set."""


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:  # noqa: ARG001 - contract
    """Holds from the newest change on until a firing has taken it up."""
    if state.spec_changed_at is None:
        return ConditionResult(False, "no spec changed since it was built")
    if state.last_fired is not None and state.last_fired >= state.spec_changed_at:
        return ConditionResult(
            False, f"the last firing took up the change of {state.spec_changed_at:%Y-%m-%d %H:%M}"
        )
    return ConditionResult(
        True, f"a spec changed at {state.spec_changed_at:%Y-%m-%d %H:%M} UTC", state.spec_changed_at
    )
