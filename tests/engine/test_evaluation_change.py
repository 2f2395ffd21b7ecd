"""What a comparison of two versions says: better, worse, or too few rows to tell."""

from __future__ import annotations

import json
from math import nan

import pytest

from tidemill.engine.check_names import FORGETTING
from tidemill.engine.evaluation_change import (
    EvaluationChange,
    EvaluationReport,
    GateChange,
    MetricChange,
    SkippedEvaluation,
    VersionComparison,
)
from tidemill.engine.gate import GateResult, judge
from tidemill.engine.measurement import Measure
from tidemill.engine.sampled_gate import gate_state, next_block_fits
from tidemill.spec.evaluation import AtLeast, AtMost, Gate, NoWorseThanBaseline

REACH = AtLeast(type="at_least", metric="accuracy", value=0.8)
LATENCY = AtMost(type="at_most", metric="latency_p95", value=1.0)
NO_WORSE = NoWorseThanBaseline(type="no_worse_than_baseline", metric="accuracy", margin=0.02)


def state(gate: Gate, value: float, low: float, high: float, *, is_sample: bool) -> str:
    measure = Measure(gate.metric, value, low, high, 100)
    table = {(gate.metric, None): measure}
    (result,) = judge([measure], [measure], [gate]).outcomes
    return gate_state(gate, result, table, table, is_sample=is_sample)


@pytest.mark.parametrize(
    ("gate", "interval", "on_all", "on_sample"),
    [
        (REACH, (0.9, 0.85, 0.95), "passed", "passed"),
        (REACH, (0.82, 0.7, 0.9), "failed", "open"),
        (REACH, (0.6, 0.5, 0.7), "failed", "failed"),
        (LATENCY, (0.9, 0.7, 1.4), "failed", "open"),
        (LATENCY, (1.5, 1.2, 1.9), "failed", "failed"),
        (NO_WORSE, (-0.1, -0.3, 0.1), "failed", "open"),
        (NO_WORSE, (-0.2, -0.3, -0.1), "failed", "failed"),
    ],
)
def test_a_gate_fails_on_a_sample_only_where_the_whole_interval_is_on_the_wrong_side(
    gate: Gate, interval: tuple[float, float, float], on_all: str, on_sample: str
) -> None:
    assert state(gate, *interval, is_sample=False) == on_all
    assert state(gate, *interval, is_sample=True) == on_sample


def test_a_gate_without_rows_in_the_sample_is_open() -> None:
    result = GateResult("accuracy_at_least", False, "was not measured", "accuracy")

    assert gate_state(REACH, result, {}, {}, is_sample=True) == "open"
    assert gate_state(REACH, result, {}, {}, is_sample=False) == "failed"


def test_forgetting_is_failed_on_a_sample_and_a_trivial_baseline_is_open() -> None:
    lost = GateResult(FORGETTING, False, "label 'a' fell", "accuracy")
    trivial = GateResult("trivial_baselines", False, "does not beat", "accuracy")

    assert gate_state(None, lost, {}, {}, is_sample=True) == "failed"
    assert gate_state(None, trivial, {}, {}, is_sample=True) == "open"


def metric(high: float, *, is_quality: bool = True, part: str | None = None) -> MetricChange:
    value = Measure("accuracy", 0.8, 0.7, 0.9, 100, part)
    return MetricChange(value, value, Measure("accuracy", high - 0.1, -1.0, high, 100, part),
                        is_quality)  # fmt: skip


def change(*metrics: MetricChange, gates: tuple[GateChange, ...] = ()) -> EvaluationChange:
    compared = VersionComparison(50, 100, metrics, gates, None)
    return EvaluationChange("shop", "quality", ("'ask': ask.j2",), compared, 50)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (change(metric(-0.01)), 2),
        (change(metric(0.0)), 0),
        (change(metric(-0.01, is_quality=False)), 0),
        (change(metric(-0.01, part="in the app")), 0),
        (change(gates=(GateChange("g", "passed", "failed", "too low"),)), 2),
        (change(gates=(GateChange("g", "passed", "open", "too few rows"),)), 0),
        (change(gates=(GateChange("g", "failed", None, "removed"),)), 0),
    ],
)
def test_the_exit_code_is_2_for_a_sure_fall_of_quality_or_a_failed_gate(
    item: EvaluationChange, code: int
) -> None:
    assert EvaluationReport("main", "c0ffee", (item,)).exit_code == code


def test_what_could_not_be_run_is_an_error_only_where_it_broke() -> None:
    lacking = SkippedEvaluation("shop", "quality", (), "needs a training", 720.0, "tidemill run x")
    broken = SkippedEvaluation("shop", "quality", (), "ask.j2:1: broken", is_error=True)

    assert EvaluationReport("main", "c0ffee", (), (lacking,)).exit_code == 0
    assert EvaluationReport("main", "c0ffee", (change(metric(-1.0)),), (broken,)).exit_code == 1


def test_the_json_has_null_for_what_is_no_number() -> None:
    nowhere = Measure("accuracy", nan, nan, nan, 0, "by post")
    item = change(MetricChange(nowhere, None, None, True))
    report = EvaluationReport("main", "c0ffee", (item,)).to_dict()

    text = json.dumps(report, allow_nan=False)
    (shown,) = json.loads(text)["compared"]
    assert shown["comparison"]["metrics"][0]["after"]["value"] is None
    assert (shown["comparison"]["is_sample"], shown["comparison"]["is_worse"]) == (True, False)


@pytest.mark.parametrize(
    ("elapsed", "last", "allowance", "fits"),
    [(0.0, 0.0, 5.0, True), (0.0, 0.0, 0.0, False), (3.0, 2.0, 5.0, True), (3.1, 2.0, 5.0, False)],
)
def test_a_block_begins_where_one_as_long_as_the_last_ends_in_time(
    elapsed: float, last: float, allowance: float, fits: bool
) -> None:
    assert next_block_fits(elapsed, last, allowance) is fits
