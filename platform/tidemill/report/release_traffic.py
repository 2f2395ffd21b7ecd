"""The traffic that a rollout's decision was made on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.records import RolloutDecisionRecord


@dataclass(frozen=True)
class ReleaseTraffic:
    """What one release did before a decision."""

    name: str
    """`live` or `candidate`."""
    requests: int
    error_rate: float | None
    latency_p95: float | None
    """Seconds."""


def release_traffic(decision: RolloutDecisionRecord) -> tuple[ReleaseTraffic, ...]:
    """Of each release; empty where the decision's numbers were not recorded."""
    health = (decision.numbers or {}).get("health")
    if not isinstance(health, Mapping):
        return ()
    return tuple(
        ReleaseTraffic(
            name,
            release.get("requests") or 0,
            release.get("error_rate"),
            release.get("latency_p95"),
        )
        for name, release in health.items()
    )
