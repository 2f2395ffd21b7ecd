"""What a home is at: runs under way, candidates that were stopped, what waits for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from tidemill.records import NotificationRecord
from tidemill.spec.searches import ENDING


@dataclass(frozen=True)
class RunStatus:
    """A run that waits or works."""

    project: str
    cause: str
    """`started by trigger 'retrain'`, … `by Git sync`, or … `by hand`, which may be in Dagster."""
    reason: str
    """Why that started it; empty for a run by hand."""
    state: Literal["waits", "runs"]
    since: datetime | None
    """Since when it is in this state; None where nobody wrote it down."""
    building: tuple[str, ...]
    """Assets that it builds just now; a prompt that it searches as `reply-prompt/search`."""
    run: str
    """Dagster's id; empty where it is not known."""

    @property
    def activity(self) -> str:
        """What it does, such as `builds rows, tune`."""
        searched = [name.removesuffix(ENDING) for name in self.building if name.endswith(ENDING)]
        built = [name for name in self.building if not name.endswith(ENDING)]
        parts = [f"builds {', '.join(built)}"] if built else []
        parts += [f"searches a better prompt than '{name}'" for name in searched]
        idle = "waits to start" if self.state == "waits" else "is between two assets"
        return " and ".join(parts) or idle


@dataclass(frozen=True)
class StoppedBuild:
    """An asset whose newest build did not pass its checks, so that nothing is released of it."""

    project: str
    name: str
    kind: str
    reason: str
    built_at: datetime


@dataclass(frozen=True)
class PendingApproval:
    """A trigger that asks a person."""

    project: str
    trigger: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class NotificationStatus:
    """Where notifications go, and which did not arrive."""

    destinations: int
    queued: int
    undelivered: tuple[NotificationRecord, ...]

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        lost = [record.to_dict() for record in self.undelivered]
        return {"destinations": self.destinations, "queued": self.queued, "undelivered": lost}


@dataclass(frozen=True)
class WorkStatus:
    """What a home is at."""

    runs: tuple[RunStatus, ...]
    stopped: tuple[StoppedBuild, ...]
    approvals: tuple[PendingApproval, ...]
    notifications: NotificationStatus

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            "runs": [asdict(run) for run in self.runs],
            "stopped": [asdict(build) for build in self.stopped],
            "approvals": [asdict(approval) for approval in self.approvals],
            "notifications": self.notifications.to_dict(),
        }
