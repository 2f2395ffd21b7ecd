"""The decisions of a rollout as lifecycle events, each under an id of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from tidemill.control.lifecycle_events import LifecyclePublisher, Outbox
from tidemill.errors import TidemillError
from tidemill.events import LifecycleEvent, LifecycleKind
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.records import RolloutRecord, RolloutUpdate

log = logging.getLogger("tidemill.lifecycle")
Tell = Callable[[RolloutRecord, RolloutUpdate], None]
"""Takes a rollout as it was, and what a decision changes in it."""


def lifecycle_kind(change: RolloutUpdate) -> LifecycleKind | None:
    """The kind of event that a decision is; None for a hold that ends by itself."""
    if change.decision == "roll_back":
        return "rolled-back"
    if change.decision in ("promote", "done"):
        return "step-advanced"
    if change.awaits_person:
        return "decision-needed"
    return "rollout-stalled" if change.is_stalled else None


def rollout_events(publisher: LifecyclePublisher, outbox: Outbox) -> Tell:
    """Publishes the decisions of a controller; without its release folder one is only logged.

    What a rollout waits for is decided anew at each look and published once for each step.
    """
    published: set[str] = set()

    def tell(row: RolloutRecord, change: RolloutUpdate) -> None:
        kind, key = lifecycle_kind(change), _event_id(row, change)
        if kind is None or key in published:
            return
        try:
            project = ServedRelease.read(Path(row.release_folder)).project
        except TidemillError as error:
            log.warning("no event '%s' of %s: %s", kind, row.service, error)
            return
        event = LifecycleEvent(
            what=kind,
            project=project,
            name=row.spec.name,
            digest=row.release,
            facts={
                "service": row.service,
                "decision": change.decision,
                "reason": change.reason,
                "percent": change.percent,
                "state": change.state,
                "had_traffic": row.state == "live" or _step(change) >= 0,
            },
        )
        publisher.publish(event, f"/services/{row.service}", key, outbox)
        if key:
            published.add(key)

    return tell


def _event_id(row: RolloutRecord, change: RolloutUpdate) -> str:
    """The same for the same decision after a restart; empty for a step, which may be taken again
    where another release becomes live meanwhile."""
    if change.decision == "promote":
        return ""
    return f"rollout/{row.id}/{change.decision}/{_step(change)}/{change.state or ''}"


def _step(change: RolloutUpdate) -> int:
    return change.rollout_state.step if change.rollout_state else -1
