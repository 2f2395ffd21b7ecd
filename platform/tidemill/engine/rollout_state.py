"""Where a rollout stands between two looks; a value that a ledger can keep as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

Status = Literal[
    "running", "paused", "watched", "live", "rolled_back", "failed", "superseded", "ended"
]
"""`watched`: live, while its guardrails and ratings are looked at still; `failed`: it did not
start; `superseded`: a newer release took its turn; `ended`: a shadow is over."""


@dataclass(frozen=True)
class RolloutState:
    """Where a rollout stands between two looks."""

    candidate: str
    """Digest of the release that is to become live."""
    live: str | None
    """Digest of the release that is live now; None for a service's first one."""
    step_started: datetime
    since: datetime
    """Start of the present window: health is asked for from here on."""
    step: int = -1
    """Index of the present step; -1 before the first."""
    status: Status = "running"
    requests: int = 0
    """Answers of the candidate in this step, in windows already closed."""
    strikes: Mapping[str, int] = field(default_factory=dict)
    """Looks in a row beyond its limit, by guardrail."""
    cleared: frozenset[str] = frozenset()
    """Guardrails whose last look in this step that had data was good."""
    approved_by: str | None = None
    approved_step: int | None = None
    """The step in which a person agreed."""

    @classmethod
    def begin(cls, candidate: str, live: str | None, now: datetime) -> RolloutState:
        """Before the first step: nobody gets the candidate yet."""
        return cls(candidate, live, now, now)

    def entering(self, step: int, now: datetime) -> RolloutState:
        """At the start of a step: nothing of the former one counts."""
        return replace(
            self,
            step=step,
            step_started=now,
            since=now,
            requests=0,
            strikes={},
            cleared=frozenset(),
        )

    def approve(self, user: str) -> RolloutState:
        """Somebody who may has agreed, in this step."""
        return replace(self, approved_by=user, approved_step=self.step)

    def pause(self) -> RolloutState:
        """Keep the traffic as it is until somebody resumes."""
        return replace(self, status="paused") if self.status == "running" else self

    def resume(self, now: datetime) -> RolloutState:
        """Go on after a pause; the pause does not count as good time."""
        if self.status != "paused":
            return self
        return replace(self, status="running", since=now, step_started=now, requests=0)

    def record(self) -> dict[str, object]:
        """As JSON-able values."""
        values = {**asdict(self), "cleared": sorted(self.cleared)}
        times = {key: values[key].isoformat() for key in ("step_started", "since")}
        return {**values, **times}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> RolloutState:
        """From what `record` gave, also in a version whose states had other fields."""
        times = {key: datetime.fromisoformat(record[key]) for key in ("step_started", "since")}
        values = {**record, **times, "cleared": frozenset(record["cleared"])}
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})
