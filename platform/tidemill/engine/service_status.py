"""The three states of a service: desired (Git), recorded (the ledger), observed (the traffic)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a service: its lock file and specs at the checked-out commit."""

    commit: str = ""
    """Empty outside Git."""
    release: str | None = None
    """The release that the lock file names as live."""
    wanted_release: str | None = None
    """The release that the lock file proposes for approval."""
    error: str = ""
    """Why the lock file cannot be read; empty where it can."""
    lock_edited: bool = False
    """True where the lock file names the live release but differs from the ledger about it."""
    pointer_behind: bool = False
    """True where the DVC pointer beside the lock names other artefacts than the lock does."""
    specs: Mapping[str, str] | None = None
    """Spec digests at that commit, by name; None where the specs cannot be used."""


@dataclass(frozen=True)
class RecordedState:
    """The recorded state of a service, from the ledger."""

    release: str | None = None
    """The live release."""
    specs: Mapping[str, str] = field(default_factory=dict)
    """Digest of each spec that the live release was built from."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Per cent of the traffic each release should have."""


@dataclass(frozen=True)
class ObservedState:
    """The observed state of a service, from its deployer."""

    shares: Mapping[str, float] | None = None
    """Per cent of the traffic by release; None where the deployer is not reachable."""
    reason: str = ""
    """Why the traffic is unknown."""
    stopped_releases: tuple[str, ...] = ()
    """Releases that should serve traffic and do not run."""


@dataclass(frozen=True)
class ServiceStatus:
    """The three states of one service."""

    project: str
    service: str
    desired: DesiredState = DesiredState()
    recorded: RecordedState = RecordedState()
    observed: ObservedState = ObservedState()
    damaged_artefacts: Mapping[str, Literal["missing", "tampered"]] = field(default_factory=dict)
    """Artefacts of the live release whose bytes differ from their digest, or are gone."""

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `status --json`, without the spec digests."""
        desired, recorded, observed = self.desired, self.recorded, self.observed
        return {
            "project": self.project,
            "service": self.service,
            "git": {
                "commit": desired.commit,
                "release": desired.release,
                "wanted": desired.wanted_release,
                "trouble": desired.error,
                "edited": desired.lock_edited,
                "pointer_behind": desired.pointer_behind,
            },
            "ledger": {"release": recorded.release, "shares": recorded.shares},
            "live": {
                "shares": observed.shares,
                "why": observed.reason,
                "down": list(observed.stopped_releases),
            },
            "damaged": self.damaged_artefacts,
        }
