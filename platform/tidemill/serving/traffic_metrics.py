"""Recent requests of each arm: counts and latencies since a given time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.arm_health import WARM_UP, ArmHealth

MAX_OUTCOMES = 100_000
"""Answers remembered for each arm; older ones are forgotten."""
Result = Literal["answered", "failed", "overloaded"]
Timing = Literal["generated", "streamed", "untimed"]


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request at one arm."""

    finished_at: float
    """End of the answer, in seconds of the Unix clock."""
    seconds: float
    result: Result = "answered"
    """`overloaded`: refused by a full queue or a server that starts; no error of the release."""
    timing: Timing = "generated"
    """`untimed`: nothing was generated (a cached answer, a refused request), or it was part of the
    warm-up; its latency says nothing about the release."""


class TrafficMetrics:
    """Outcomes by (service, release)."""

    def __init__(self, max_outcomes: int = MAX_OUTCOMES) -> None:
        self._outcomes: defaultdict[tuple[str, str], deque[RequestOutcome]] = defaultdict(
            lambda: deque(maxlen=max_outcomes)
        )
        self._generated: defaultdict[str, int] = defaultdict(int)

    def add(self, service: str, release: str, outcome: RequestOutcome, server: str = "") -> None:
        """Remember one; the first answers that the model server at `server` generates are not
        timed."""
        if server and outcome.result == "answered" and outcome.timing != "untimed":
            self._generated[server] += 1
            if self._generated[server] <= WARM_UP:
                outcome = replace(outcome, timing="untimed")
        self._outcomes[service, release].append(outcome)

    def health_since(self, service: str, release: str, moment: float) -> ArmHealth:
        """Health of an arm since a time (Unix seconds); latencies leave errors out."""
        return health(o for o in self._outcomes[service, release] if o.finished_at >= moment)


def health(outcomes: Iterable[RequestOutcome]) -> ArmHealth:
    """Counts, and p50 and p95 of the answers that were generated."""
    requests = list(outcomes)
    overloaded = sum(o.result == "overloaded" for o in requests)
    answered = [o for o in requests if o.result == "answered"]
    return ArmHealth.measure(
        len(requests) - overloaded,
        sum(o.result == "failed" for o in requests),
        [o.seconds for o in answered if o.timing == "generated"],
        streamed=[o.seconds for o in answered if o.timing == "streamed"],
        overloaded=overloaded,
    )
