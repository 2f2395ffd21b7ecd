"""The first release of a service: what a rollout can do where no release is live yet.

There is no baseline, and nobody else can answer the other 90 % of a 10 % step. So `advance` decides
a first release by the rules of every other, with these consequences:

- It waits for its approval like any other release.
- Then it is live for everybody at once. It does not wait for requests: none can come before.
- What compares is skipped and named: the smaller steps, guardrails relative to live, ratings.
- Its absolute guardrails are watched from then on, until the last step's `hold` and `min_requests`
  are over and each guardrail was within its limit. Without requests the watch goes on.
- A guardrail that breaks asks a person, since there is nothing to go back to. The traffic stays.
  A release that replaced another is watched for `watch` instead, and goes back to that one.
- `mode: shadow` and `mode: ab` need a live release. Without one they wait and get no request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidemill.amounts import format_seconds
from tidemill.engine.guardrail import guardrail_name
from tidemill.spec.rollout import Rollout


@dataclass(frozen=True)
class FirstRelease:
    """What a canary does for the first release of a service, and what it skips."""

    watches: tuple[str, ...]
    """Absolute guardrails, which need no baseline."""
    skips: tuple[str, ...]
    """What compares with a live release or shares its traffic."""
    seconds: float
    """Shortest time that the guardrails are watched."""

    def __str__(self) -> str:
        parts = ["the first release of this service: it is live for everybody"]
        if self.watches:
            parts.append(f"watched for {format_seconds(self.seconds)}: {', '.join(self.watches)}")
        if self.skips:
            parts.append(f"skipped: first release, no baseline ({', '.join(self.skips)})")
        return "; ".join(parts)


def plan_first_release(rollout: Rollout) -> FirstRelease:
    """How a canary meets its users where nothing is live."""
    *steps, last = rollout.steps
    skips = [f"{step.percent} % step" for step in steps]
    skips += [guardrail_name(limit) for limit in rollout.guardrails if limit.at_most is None]
    skips += [f"{rollout.quality.metric} ratings"] if rollout.quality else []
    watches = [guardrail_name(limit) for limit in rollout.guardrails if limit.at_most is not None]
    return FirstRelease(tuple(watches), tuple(skips), last.hold.total_seconds())


class RolloutMode(Protocol):
    """How a rollout moves traffic, and of which service."""

    @property
    def mode(self) -> str:
        """`canary`, `ab` or `shadow`."""

    @property
    def service(self) -> str:
        """The service's name."""


def missing_baseline(rollout: RolloutMode) -> str | None:
    """Why a rollout cannot begin where nothing is live, with the way out; None where it can."""
    if rollout.mode == "canary":
        return None
    use = "copies the requests of" if rollout.mode == "shadow" else "shares the traffic of"
    return (
        f"`mode: {rollout.mode}` {use} a live release, and '{rollout.service}' has none; for the "
        "first release set `mode: canary` with a last step of 100 percent, and run it again"
    )
