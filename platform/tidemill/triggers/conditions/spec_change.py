"""A spec of the line changed in Git since the last firing."""

from __future__ import annotations

from datetime import datetime

from tidemill.spec.base import Frozen
from tidemill.triggers import Held, TriggerState

VERSION = 1


class Options(Frozen):
    """Nothing to set."""


def holds(options: Options, state: TriggerState, now: datetime) -> Held:  # noqa: ARG001 - contract
    """Holds from the newest change on until a firing has taken it up."""
    if state.changed is None:
        return Held(False, "no spec changed since it was built")
    if state.last_fired is not None and state.last_fired >= state.changed:
        return Held(False, f"the last firing took up the change of {state.changed:%Y-%m-%d %H:%M}")
    return Held(True, f"a spec changed at {state.changed:%Y-%m-%d %H:%M} UTC", state.changed)
