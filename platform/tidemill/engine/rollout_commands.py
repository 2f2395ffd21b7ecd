"""What changes a rollout besides its looks: a person, a newer release, a start that fails.

Like `advance`, each function takes values and gives what happens now, with its reason.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from tidemill.engine.rollout import Advance, Decision
from tidemill.engine.rollout_state import RolloutState, Status

Command = Literal["promote", "pause", "rollback"]
ATTEMPTS = 3
"""Starts in a row that may fail before a release that had traffic is given up."""
STARTING = "nothing speaks against the first step; the release starts"


def obey(
    state: RolloutState,
    command: Command,
    by: str,
    percent: float,
    now: datetime,
    *,
    refusal: str | None = None,
) -> Advance:
    """Do what a person asked of a rollout whose candidate has `percent` of the traffic.

    `refusal` is why this person may not approve. `promote` resumes a paused rollout and approves
    one that runs.
    """
    if command == "rollback":
        return _end(state, "roll_back", f"rolled back by {by}", "rolled_back")
    if command == "pause":
        return hold(state.pause(), percent, f"paused by {by}")
    if state.status == "paused":
        return hold(state.resume(now), percent, f"resumed by {by}")
    if refusal is not None:
        return hold(state, percent, refusal)
    return hold(state.approve(by), percent, f"approved by {by}")


def supersede(state: RolloutState, newer: str) -> Advance:
    """The end of a rollout whose service has a newer candidate, the release `newer`."""
    return _end(state, "done", f"overtaken by {newer[:19]}", "superseded")


def give_up_start(state: RolloutState, failures: int, error: str) -> Advance | None:
    """The end of a rollout whose candidate does not start; None: it is tried again.

    Before its first step one failure is enough, since nobody misses it.
    """
    if state.step >= 0 and failures < ATTEMPTS:
        return None
    return _end(state, "roll_back", error, "failed")


def hold(state: RolloutState, percent: float, reason: str, *, stalled: bool = False) -> Advance:
    """Nothing moves, for this reason; `stalled` where that does not end by itself."""
    return Advance("hold", reason, round(percent), state, is_stalled=stalled)


def _end(state: RolloutState, decision: Decision, reason: str, status: Status) -> Advance:
    return Advance(decision, reason, 0, replace(state, status=status))
