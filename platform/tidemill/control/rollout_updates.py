"""What decisions of the engine change in the ledger's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidemill.engine.rollout import Advance
from tidemill.engine.rollout_state import RolloutState, Status
from tidemill.records import RolloutStatus, RolloutUpdate

_STATES: Mapping[Status, RolloutStatus] = {
    "watched": "live",
    "live": "live",
    "ended": "ended",
    "rolled_back": "rolled_back",
    "failed": "failed",
    "superseded": "superseded",
}


def unwatched(state: RolloutState | None) -> RolloutState | None:
    """A release that came back is what the other one was measured by: its own watch is over."""
    return replace(state, status="live") if state else None


def change_of(
    decision: Advance, state: RolloutStatus, *, command_done: bool = False
) -> RolloutUpdate:
    """What a decision changes in the ledger's row, whose state is `state` now."""
    status = decision.state.status
    begun: RolloutStatus = "running" if decision.state.step >= 0 else state
    then = _STATES.get(status, begun)
    return RolloutUpdate(
        decision.decision,
        decision.reason,
        state=None if then == state else then,
        percent=float(decision.percent),
        rollout_state=decision.state,
        awaits_person=decision.decision == "ask",
        is_stalled=decision.is_stalled,
        numbers=decision.numbers,
        command_done=command_done,
    )
