"""What each arm did lately: counts and latencies since any moment."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from tidemill.ports import ArmHealth

KEPT = 100_000
"""Answers remembered for each arm; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request at one arm."""

    at: float
    """End of the answer, in seconds of the Unix clock."""
    seconds: float
    failed: bool
    cached: bool = False
    """True where nothing was generated: its latency says nothing about the release."""


class Tally:
    """Outcomes by (service, release)."""

    def __init__(self, kept: int = KEPT) -> None:
        self._outcomes: defaultdict[tuple[str, str], deque[Outcome]] = defaultdict(
            lambda: deque(maxlen=kept)
        )

    def add(self, service: str, release: str, outcome: Outcome) -> None:
        """Remember one."""
        self._outcomes[service, release].append(outcome)

    def since(self, service: str, release: str, moment: float) -> ArmHealth:
        """What the arm did since a moment; errors have no part in the latencies."""
        return health(o for o in self._outcomes[service, release] if o.at >= moment)


def health(outcomes: Iterable[Outcome]) -> ArmHealth:
    """Counts, and p50 and p95 of the answers that were generated."""
    known = list(outcomes)
    generated = [o.seconds for o in known if not o.failed and not o.cached]
    return ArmHealth.measure(len(known), sum(o.failed for o in known), generated)
