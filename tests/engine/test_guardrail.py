"""Guardrails judge like work by bounds: what is shown to be beyond a limit, and what is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tidemill.engine.arm_health import ArmHealth
from tidemill.engine.guardrail import GuardrailReading, GuardrailWindow, read_guardrail
from tidemill.spec.rollout import Guardrail

RATIO = Guardrail(signal="latency_p95", max_ratio_to_live=1.5)
ERRORS = Guardrail(signal="error_rate", at_most=0.05)


def latencies(n: int, scale: float, seed: int = 0) -> list[float]:
    """Log-normal seconds around `scale`."""
    rng = np.random.default_rng(seed)
    return list(scale * np.exp(0.5 * rng.normal(size=n)))


def generated(n: int, scale: float, **options: Any) -> ArmHealth:
    return ArmHealth.measure(n, 0, latencies(n, scale), **options)


def read(limit: Guardrail, candidate: ArmHealth, live: ArmHealth | None) -> GuardrailReading:
    return read_guardrail(limit, GuardrailWindow(candidate, live, "", timedelta(minutes=5)))


def test_a_release_that_is_twice_as_slow_is_beyond_one_and_a_half_times_live() -> None:
    found = read(RATIO, generated(400, 0.4), generated(400, 0.2))

    assert found.outcome == "beyond"
    assert found.limit is not None
    assert found.low is not None
    assert found.low > found.limit
    assert "over 400 answers" in str(found)


def test_a_handful_of_answers_of_a_live_arm_that_answers_from_its_cache_judges_nobody() -> None:
    """700 requests, of which seven were generated: there is no p95 to compare with."""
    live = ArmHealth.measure(700, 0, latencies(7, 0.05))
    found = read(RATIO, generated(300, 0.2), live)

    assert found.outcome == "no data"
    assert found.note == "7 of 10 generated answers of the live release"


def test_two_points_that_differ_show_nothing_while_the_answers_are_few() -> None:
    found = read(RATIO, generated(40, 0.4), generated(40, 0.2))

    assert found.outcome == "unclear"
    assert found.value is not None
    assert found.limit is not None
    assert found.value > found.limit
    assert "is not clearly >" in str(found)


def test_what_many_answers_cannot_show_to_be_beyond_is_within() -> None:
    limit = Guardrail(signal="latency_p95", max_ratio_to_live=1.5)
    found = read(limit, generated(400, 0.31), generated(400, 0.2))

    assert found.value is not None
    assert found.limit is not None
    assert found.value > found.limit
    assert found.outcome == "within"


def test_streamed_answers_are_compared_with_streamed_ones() -> None:
    """Both arms stream slowly; that the candidate streams more says nothing."""
    few, many, slow = latencies(100, 0.2), latencies(400, 0.2), latencies(400, 2.0, 1)
    live = ArmHealth.measure(500, 0, many, streamed=slow[:100])
    candidate = ArmHealth.measure(500, 0, few, streamed=slow)

    assert read(RATIO, candidate, live).outcome == "within"
    slower = ArmHealth.measure(500, 0, few, streamed=[2.5 * seconds for seconds in slow])
    assert read(RATIO, slower, live).outcome == "beyond"


@pytest.mark.parametrize(
    ("requests", "errors", "outcome"),
    [(10, 1, "unclear"), (10, 3, "beyond"), (20, 1, "within"), (400, 40, "beyond")],
)
def test_errors_are_judged_by_their_lower_bound(requests: int, errors: int, outcome: str) -> None:
    assert read(ERRORS, ArmHealth(requests, errors), ArmHealth(500, 2)).outcome == outcome


def test_what_breaks_both_arms_is_no_fault_of_the_candidate() -> None:
    outage = ArmHealth(500, 150)

    assert read(ERRORS, ArmHealth(100, 31), outage).outcome == "unclear"
    assert "live exceeds 0.05 as well" in str(read(ERRORS, ArmHealth(100, 31), outage))
    assert read(ERRORS, ArmHealth(100, 70), outage).outcome == "beyond"
    assert read(ERRORS, ArmHealth(100, 31), ArmHealth(500, 2)).outcome == "beyond"


def test_a_full_queue_is_judged_by_its_own_signal() -> None:
    full = ArmHealth(100, 0, overloaded=100)
    overload = Guardrail(signal="overload_rate", at_most=0.1)

    assert read(ERRORS, full, None).outcome == "within"
    assert read(overload, full, None).outcome == "beyond"


def test_health_survives_the_gateway() -> None:
    health = ArmHealth.measure(9, 1, [0.1, 0.2], streamed=[1.0], overloaded=2)

    assert ArmHealth.from_dict({"percent": 10, **health.to_dict()}) == health
