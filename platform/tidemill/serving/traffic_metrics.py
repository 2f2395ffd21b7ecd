"""Recent requests of each arm: counts and latencies since a given time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from tidemill.ports import ArmHealth

MAX_OUTCOMES = 100_000
"""Answers remembered for each arm; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request at one arm."""

    finished_at: float
    """End of the answer, in seconds of the Unix clock."""
    seconds: float
    failed: bool
    cached: bool = False
    """True where nothing was generated: its latency says nothing about the release."""


class TrafficMetrics:
    """Outcomes by (service, release)."""

    def __init__(self, max_outcomes: int = MAX_OUTCOMES) -> None:
        self._outcomes: defaultdict[tuple[str, str], deque[RequestOutcome]] = defaultdict(
            lambda: deque(maxlen=max_outcomes)
        )

    def add(self, service: str, release: str, outcome: RequestOutcome) -> None:
        """Remember one."""
        self._outcomes[service, release].append(outcome)

    def health_since(self, service: str, release: str, moment: float) -> ArmHealth:
        """Health of an arm since a time (Unix seconds); latencies leave errors out."""
        return health(o for o in self._outcomes[service, release] if o.finished_at >= moment)


def health(outcomes: Iterable[RequestOutcome]) -> ArmHealth:
    """Counts, and p50 and p95 of the answers that were generated."""
    requests = list(outcomes)
    generated = [o.seconds for o in requests if not o.failed and not o.cached]
    return ArmHealth.measure(len(requests), sum(o.failed for o in requests), generated)
