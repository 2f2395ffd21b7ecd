"""The status of a home as values, and its one JSON form: `tidemill status --json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from tidemill.engine.config_drift import ConfigDrift, config_drifts
from tidemill.engine.plan import PlanEntry
from tidemill.engine.service_status import ServiceStatus
from tidemill.local.work_status import WorkStatus
from tidemill.records import RemotePoll, RolloutRecord, SyncRecord

_SYNC_FIELDS = ("commit", "subject", "author", "state", "refusal", "reason", "signer")
_ASSET_FIELDS = ("project", "name", "kind", "state", "reason")


@dataclass(frozen=True)
class ProcessStatus:
    """One process of the home."""

    name: str
    alive: bool
    pid: int
    url: str
    log: str
    release: str | None = None
    """The release that a model server serves; None for all others."""

    def to_dict(self) -> dict[str, object]:
        """JSON; `release` only where there is one."""
        values = asdict(self)
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class ServiceRollouts:
    """The releases of one service."""

    service: str
    live: str | None
    """Digest of the live release; None before the first."""
    retired: tuple[str, ...]
    """Digests of the releases that were live before, newest first."""
    question: str
    """What the live release asks a person; empty where it asks nothing."""
    in_progress: tuple[RolloutRecord, ...]
    stopped: tuple[RolloutRecord, ...] = ()
    """Candidates that were rolled back or did not start, newest first."""
    may_retry: bool = False
    """True where the newest candidate is one of these: only a person sends it out again."""

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            "service": self.service,
            "live": self.live,
            "retired": list(self.retired),
            "asks": self.question,
            "open": [
                {
                    "release": rollout.release,
                    "state": rollout.state,
                    "percent": rollout.percent,
                    "reason": rollout.reason,
                    "waits": rollout.awaits_person,
                }
                for rollout in self.in_progress
            ],
            "stopped": [
                {
                    "release": rollout.release,
                    "state": rollout.state,
                    "reason": rollout.reason,
                    "finished_at": rollout.finished_at,
                }
                for rollout in self.stopped
            ],
        }


@dataclass(frozen=True)
class IngestStatus:
    """What ingest stored, and how it does."""

    events: Mapping[str, int]
    """Stored events by kind, and joined and waiting feedback."""
    next_offsets: Mapping[str, int]
    """The ledger's next offset by `topic/partition`."""
    state: str
    trouble: str
    """Why it does not read; empty where it does."""
    lag: int | None
    """Records not read yet; None where no broker answers."""

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        state = {"state": self.state, "trouble": self.trouble, "lag": self.lag}
        return {**self.events, "read": self.next_offsets, **state}


@dataclass(frozen=True)
class OrphanService:
    """A service that is live though the applied commit has no rollout of it any more."""

    service: str
    project: str


@dataclass(frozen=True)
class FollowedBranch:
    """The followed branch: what was seen, what is applied, and what stands between them."""

    poll: RemotePoll
    newest: SyncRecord | None
    applied: SyncRecord | None
    orphans: tuple[OrphanService, ...]

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            "remote": self.poll.remote,
            "branch": self.poll.branch,
            "looked": self.poll.polled_at.isoformat(),
            "trouble": self.poll.error,
            "seen": _sync_to_dict(self.newest),
            "applied": _sync_to_dict(self.applied),
            "orphans": [asdict(orphan) for orphan in self.orphans],
        }


@dataclass(frozen=True)
class StackStatus:
    """The status of a home."""

    home: str
    is_running: bool
    """True where the supervisor runs."""
    processes: tuple[ProcessStatus, ...]
    services: tuple[ServiceRollouts, ...]
    ingest: IngestStatus | None
    """None without a ledger."""
    git: FollowedBranch | None
    """None where no branch is followed."""
    work: WorkStatus | None
    """Runs, stopped builds, approvals and notifications; None without a ledger."""
    assets: tuple[PlanEntry, ...]
    """Assets that are not up to date; empty where that is not known."""
    statuses: tuple[ServiceStatus, ...]
    """Git, ledger and live of each service."""
    trouble: str
    """Why those could not be compared; empty where they could."""

    @cached_property
    def drifts(self) -> Mapping[str, tuple[ConfigDrift, ...]]:
        """The drift of each service, by its name."""
        return {status.service: config_drifts(status) for status in self.statuses}

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            "home": self.home,
            "running": self.is_running,
            "processes": [process.to_dict() for process in self.processes],
            "services": [service.to_dict() for service in self.services],
            "ingest": self.ingest.to_dict() if self.ingest else {},
            "git": self.git.to_dict() if self.git else None,
            **(self.work.to_dict() if self.work else {}),
            "assets": [
                {name: str(getattr(entry, name)) for name in _ASSET_FIELDS} for entry in self.assets
            ],
            "standings": [self._service_to_dict(status) for status in self.statuses],
            "trouble": self.trouble,
        }

    def _service_to_dict(self, status: ServiceStatus) -> dict[str, object]:
        drifts = [{**asdict(drift), "said": str(drift)} for drift in self.drifts[status.service]]
        return {**status.to_dict(), "drift": drifts}


def _sync_to_dict(sync: SyncRecord | None) -> dict[str, object] | None:
    return {name: getattr(sync, name) for name in _SYNC_FIELDS} if sync else None
