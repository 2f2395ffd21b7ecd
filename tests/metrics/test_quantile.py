"""One quantile: evaluations, guardrails and service health say the same of the same latencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.streams import NOW, answer, take

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.answer import Answer
from tidemill.engine.arm_health import WARM_UP, ArmHealth
from tidemill.engine.estimate import estimate
from tidemill.engine.statistics import quantile_of
from tidemill.metrics import Scored, measure, quantile
from tidemill.serving.traffic_metrics import RequestOutcome, health

Source = Callable[[list[float]], tuple[float | None, float | None]]
TWENTY = [round(0.1 * number, 1) for number in range(1, 21)]


def by_evaluation(seconds: list[float]) -> tuple[float | None, float | None]:
    scored = [Scored(Answer(""), Answer(""), seconds=one) for one in seconds]
    return measure("latency_p50", scored), measure("latency_p95", scored)


def by_interval(seconds: list[float]) -> tuple[float | None, float | None]:
    scored = [Scored(Answer(""), Answer(""), seconds=one) for one in seconds]
    return estimate("latency_p50", scored).value, estimate("latency_p95", scored).value


def by_guardrail(seconds: list[float]) -> tuple[float | None, float | None]:
    found = health(RequestOutcome(0.0, one) for one in seconds)
    return found.latency_p50, found.latency_p95


def by_ledger(seconds: list[float]) -> tuple[float | None, float | None]:
    ledger = Ledger.open("sqlite://")
    warm_up = [answer(n, latency=99.0) for n in range(WARM_UP)]
    answers = [answer(WARM_UP + n, latency=one) for n, one in enumerate(seconds)]
    take(ledger.events, MemoryBus(), [*warm_up, *answers])
    found = ledger.service_metrics.release_health("chat", NOW)["sha256:one"]
    return found.latency_p50, found.latency_p95


@pytest.mark.parametrize("source", [by_evaluation, by_interval, by_guardrail, by_ledger])
def test_of_twenty_answers_the_p95_is_the_nineteenth(source: Source) -> None:
    assert source(TWENTY) == (1.0, 1.9)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_every_source_says_the_same_of_any_times(seconds: list[float]) -> None:
    expected = by_evaluation(seconds)

    assert by_interval(seconds) == by_guardrail(seconds) == by_ledger(seconds) == expected


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.floats(0.01, 1))
@settings(deadline=None)
def test_it_is_the_inverse_of_the_distribution_function(values: list[float], q: float) -> None:
    found = quantile(values, q)
    ones = np.ones((1, len(values)))

    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-9
    assert sum(value < found for value in values) < q * len(values)
    assert quantile_of(values, q)(ones)[0] == found


def test_without_answers_there_is_no_latency() -> None:
    assert ArmHealth.measure(3, 3, []) == ArmHealth(3, 3)
