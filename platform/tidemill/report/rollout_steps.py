"""The decisions of a rollout as values, with the traffic they were made on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ReleaseTraffic:
    """What one release did between two decisions."""

    name: str
    """`live` or `candidate`."""
    requests: int
    error_rate: float | None
    latency_p95: float | None
    """Seconds."""


@dataclass(frozen=True)
class RolloutStep:
    """One decision of a rollout."""

    decided_at: datetime
    decision: str
    percent: float
    """Traffic share of the candidate after it."""
    reason: str
    repeats: int
    """How many evaluations in a row came to it."""
    traffic: tuple[ReleaseTraffic, ...] = ()

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RolloutStep:
        """From a row of the ledger; those of older versions may lack their numbers."""
        health = (raw.get("numbers") or {}).get("health") or {}
        return cls(
            decided_at=raw["decided_at"],
            decision=raw["decision"],
            percent=float(raw["percent"]),
            reason=raw["reason"],
            repeats=raw["repeats"],
            traffic=tuple(
                ReleaseTraffic(
                    name,
                    release.get("requests") or 0,
                    release.get("error_rate"),
                    release.get("latency_p95"),
                )
                for name, release in health.items()
            ),
        )
