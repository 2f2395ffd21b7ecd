"""Arms as tests want them: so many answers, errors, and these two latencies."""

from __future__ import annotations

from tidemill.engine.arm_health import ArmHealth


def arm(
    requests: int = 0, errors: int = 0, p50: float | None = None, p95: float | None = None
) -> ArmHealth:
    """Four of five answers take `p50` seconds and the others `p95`; without them none is timed."""
    if p50 is None or p95 is None:
        return ArmHealth(requests, errors)
    slow = -(-requests // 5)
    return ArmHealth.measure(requests, errors, [p50] * (requests - slow) + [p95] * slow)
