"""What one arm did in a stretch of time: counts, and latencies of like work with their bounds.

A cached answer says nothing about the speed of a release, and a streamed one ends with its reader;
so latencies are measured apart for each kind of work, and cached answers have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

Work = Literal["generated", "streamed"]
WORKS: tuple[Work, ...] = ("generated", "streamed")
CONFIDENCE = 0.95
"""Of the two bounds together: each is missed at most 2.5 % of the time."""
WARM_UP = 3
"""Generated answers of an arm after its start whose latency does not count: they still read weights
and fill caches, which says nothing about the release."""


@dataclass(frozen=True)
class Estimate:
    """A signal of one arm with its bounds."""

    value: float
    low: float
    high: float | None
    """None where the answers are too few to bound it."""
    answers: int
    """Answers that carry the signal."""


@dataclass(frozen=True)
class Latencies:
    """Latencies of one kind of work, in seconds."""

    p50: Estimate
    p95: Estimate

    @property
    def timed(self) -> int:
        """Answers that carry a latency."""
        return self.p50.answers

    @classmethod
    def measure(cls, seconds: Sequence[float]) -> Latencies | None:
        """p50 and p95 by the quantile that evaluations use; None without answers."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        return cls(_quantile(ordered, 0.5), _quantile(ordered, 0.95))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Latencies:
        """From its JSON form."""
        return cls(Estimate(**record["p50"]), Estimate(**record["p95"]))


@dataclass(frozen=True)
class ArmHealth:
    """What one arm did since a moment."""

    requests: int = 0
    """Requests that it answered or failed; refusals for overload are not among them."""
    errors: int = 0
    overloaded: int = 0
    """Requests it refused because its queue was full or it was starting (HTTP 429 and 503)."""
    generated: Latencies | None = None
    """Of answers that were generated and sent as a whole; None without any."""
    streamed: Latencies | None = None
    """Of answers that were generated and streamed; None without any."""

    @property
    def timed(self) -> int:
        """Answers that carry a latency: generated ones, neither cached nor part of the warm-up."""
        return sum(found.timed for found in (self.generated, self.streamed) if found)

    @property
    def latency_p50(self) -> float | None:
        """Median seconds of generated answers, of streamed ones where there are no others."""
        found = self.generated or self.streamed
        return found.p50.value if found else None

    @property
    def latency_p95(self) -> float | None:
        """The 95th percentile of the same answers."""
        found = self.generated or self.streamed
        return found.p95.value if found else None

    @classmethod
    def measure(
        cls,
        requests: int,
        errors: int,
        seconds: Sequence[float],
        *,
        streamed: Sequence[float] = (),
        overloaded: int = 0,
    ) -> ArmHealth:
        """From counts and the latencies of generated and of streamed answers."""
        generated, streams = Latencies.measure(seconds), Latencies.measure(streamed)
        return cls(requests, errors, overloaded, generated, streams)

    def to_dict(self) -> dict[str, object]:
        """As JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ArmHealth:
        """From its JSON form; keys that are no field are left out."""
        counts = {name: int(record.get(name, 0)) for name in ("requests", "errors", "overloaded")}
        found = {work: record.get(work) for work in WORKS}
        works = {work: Latencies.from_dict(raw) for work, raw in found.items() if raw}
        return cls(**counts, generated=works.get("generated"), streamed=works.get("streamed"))


def _quantile(ordered: Sequence[float], q: float) -> Estimate:
    from tidemill.engine.statistics import (
        quantile_interval,  # with numpy, which commands do without
    )

    found = quantile_interval(ordered, q, CONFIDENCE)
    high = found.high if isfinite(found.high) else None
    return Estimate(found.value, max(0.0, found.low), high, found.rows)
