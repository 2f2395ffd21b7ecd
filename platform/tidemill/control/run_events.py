"""The end of a run that a trigger or Git sync asked for, as a lifecycle event.

One run tells of one failure: all its failures have the same event id, and the first says why.
"""

from __future__ import annotations

from tidemill.control.lifecycle_events import announce
from tidemill.home import Home
from tidemill.records import SYNC_TRIGGER, TriggerDecision


def announce_end(
    home: Home, decided: TriggerDecision, run: str, *, failure: str = "", outcome: str = ""
) -> None:
    """Publish that the run of a decision ended: finished with an outcome, or failed for a reason.

    To be called before the ledger says so, so that a process that is killed in between tells it
    again, not never.
    """
    if failure:
        key, name = failure_id(run or decided.key), decided.trigger
        announce(home, "run-failed", decided.project, name, key=key, run=run, reason=failure)
        return
    by_sync = decided.trigger == SYNC_TRIGGER
    announce(
        home,
        "run-finished",
        decided.project,
        decided.trigger,
        key=f"decision/{decided.key}/finished",
        run=run,
        cause="Git sync" if by_sync else f"trigger '{decided.trigger}'",
        reason=decided.reason,
        assets=list(decided.assets),
        outcome=outcome,
    )


def failure_id(run: str) -> str:
    """The id of the event that a run failed, whichever of its assets did."""
    return f"run/{run}/failed"
