"""Reads what a home is at from its ledger: decisions, leases, newest builds, the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.local.work_status import (
    NotificationStatus,
    PendingApproval,
    RunStatus,
    StoppedBuild,
    WorkStatus,
)
from tidemill.records import SYNC_TRIGGER, RolloutRecord, TriggerDecision
from tidemill.settings import NotifySettings

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.adapters.ledger.leases import Lease

_BUILDS, _ALIVE = "make:", "alive:"
_BY_HAND = "started by hand"
SHOWN = 3
"""Candidates of a service that were stopped, and are shown."""
_RECENT = timedelta(days=7)
"""For so long a message that did not arrive is shown."""


def work_status(ledger: Ledger, settings: NotifySettings, now: datetime) -> WorkStatus:
    """What the ledger says of runs, builds, approvals and notifications."""
    undecided = ledger.trigger_decisions.needing_approval()
    lost = ledger.notifications.undelivered(now - _RECENT)
    return WorkStatus(
        runs=tuple(_runs(ledger, now)),
        stopped=tuple(_stopped_builds(ledger)),
        approvals=tuple(
            PendingApproval(pending.project, pending.trigger, pending.reason, pending.decided_at)
            for pending in undecided
        ),
        notifications=NotificationStatus(
            len(settings.urls), ledger.notifications.count_queued(), tuple(lost)
        ),
    )


def stopped_rollouts(ledger: Ledger, service: str) -> tuple[RolloutRecord, ...]:
    """The newest candidates of a service that were rolled back or never started, newest first."""
    ended = ledger.rollouts.newest(service)
    stopped = [rollout for rollout in ended if rollout.state in ("rolled_back", "failed")]
    return tuple(stopped[:SHOWN])


def _runs(ledger: Ledger, now: datetime) -> Iterator[RunStatus]:
    """Runs that were asked for, then those that somebody started by hand."""
    leases = ledger.leases.with_prefix(_BUILDS, now)
    # A process that collects garbage holds these leases too; its name has spaces, a run's has none.
    builds = [lease for lease in leases if " " not in lease.owner]
    alive = {lease.owner: lease.acquired_at for lease in ledger.leases.with_prefix(_ALIVE, now)}
    decisions = ledger.trigger_decisions
    claimed: set[str] = set()
    for decided in (*decisions.running_decisions(), *decisions.queued_decisions()):
        mine = [lease for lease in builds if _belongs(lease, decided)]
        claimed |= {lease.owner for lease in mine}
        run = decided.run_id or next((lease.owner for lease in mine), "")
        waits = decided.state == "queued"
        since = decided.decided_at if waits else alive.get(run) or decided.decided_at
        yield RunStatus(
            decided.project,
            _cause(decided),
            decided.reason,
            "waits" if waits else "runs",
            since,
            _assets(mine),
            run,
        )
    for owner in dict.fromkeys(lease.owner for lease in builds if lease.owner not in claimed):
        mine = [lease for lease in builds if lease.owner == owner]
        project = mine[0].name.removeprefix(_BUILDS).partition("/")[0]
        begun = alive.get(owner) or mine[0].acquired_at
        yield RunStatus(project, _BY_HAND, "", "runs", begun, _assets(mine), owner)


def _belongs(lease: Lease, decided: TriggerDecision) -> bool:
    """True where a lease is of a decision's run; Git sync does not know the id of its own."""
    if decided.state != "started":
        return False
    if decided.run_id:
        return lease.owner == decided.run_id
    return lease.name.startswith(f"{_BUILDS}{decided.project}/")


def _cause(decided: TriggerDecision) -> str:
    by_sync = decided.trigger == SYNC_TRIGGER
    return "started by Git sync" if by_sync else f"started by trigger '{decided.trigger}'"


def _assets(leases: Sequence[Lease]) -> tuple[str, ...]:
    return tuple(lease.name.partition("/")[2] for lease in leases)


def _stopped_builds(ledger: Ledger) -> Iterator[StoppedBuild]:
    for built in ledger.materialisations.newest():
        failed = [check for check in built.checks if check.blocking and not check.passed]
        if failed:
            reason = "; ".join(check.message or check.name for check in failed)
            yield StoppedBuild(built.project, built.name, built.kind, reason, built.started_at)
