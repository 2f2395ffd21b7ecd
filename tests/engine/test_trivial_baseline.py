"""A model beats a trivial baseline only where the interval of the paired difference says so."""

from __future__ import annotations

import json
from math import isnan

import pytest

from tidemill.answer import Answer
from tidemill.engine.measurement import Measure
from tidemill.engine.trivial_baseline import (
    BaselineScore,
    BaselineTable,
    compare_answers,
    quality_metrics,
)
from tidemill.metrics import Scored


def score(
    name: str, value: float, gain: tuple[float, float, float], *, trivial: bool = True
) -> BaselineScore:
    measure = Measure("accuracy", value, value - 0.1, value + 0.1, 60)
    return BaselineScore(name, name, "", measure, Measure("accuracy", *gain, 60), trivial)


def test_losing_to_the_best_baseline_is_said_with_both_numbers() -> None:
    table = BaselineTable(
        "accuracy",
        0.76,
        (
            score("majority", 0.2, (0.56, 0.4, 0.7)),
            score("nearest-neighbour", 0.92, (-0.16, -0.25, -0.07)),
        ),
    )

    assert table.state == "loses"
    assert table.message == (
        "does not beat the nearest-neighbour baseline: accuracy 0.76 vs 0.92 "
        "(difference -0.16, -0.25 to -0.07)"
    )
    assert not table.result(required=False).passed


@pytest.mark.parametrize(
    ("gain", "state", "words"),
    [
        ((0.1, 0.02, 0.18), "beats", "beats the majority baseline"),
        ((0.1, -0.02, 0.2), "unclear", "is not shown to beat the majority baseline"),
        ((0.0, -0.1, 0.1), "loses", "does not beat the majority baseline"),
    ],
)
def test_a_lead_counts_only_where_its_interval_lies_above_zero(
    gain: tuple[float, float, float], state: str, words: str
) -> None:
    table = BaselineTable("accuracy", 0.8, (score("majority", 0.7, gain),))

    assert table.state == state
    assert table.message.startswith(words)
    assert table.result(required=True).passed == (state == "beats")


def test_the_live_release_stands_in_the_table_but_is_no_trivial_baseline() -> None:
    live = score("live", 0.95, (-0.15, -0.2, -0.1), trivial=False)
    table = BaselineTable("accuracy", 0.8, (score("majority", 0.3, (0.5, 0.4, 0.6)), live))

    assert table.best is not None
    assert table.best.baseline == "majority"
    assert table.state == "beats"


def test_without_a_baseline_only_a_required_gate_fails() -> None:
    table = BaselineTable("accuracy", 0.8)

    assert table.result(required=False).passed
    assert not table.result(required=True).passed
    assert "no training rows" in table.message


def test_speed_and_size_are_no_quality() -> None:
    assert quality_metrics(["accuracy", "latency_p95", "rouge_l", "size", "tokens_per_second"]) == (
        "accuracy",
        "rouge_l",
    )


def test_the_comparison_is_paired() -> None:
    wanted = [Answer(label, label) for label in "abababababababababab"]
    model = [Scored(w, w) for w in wanted]
    baseline = [Scored(w, Answer("a", "a")) for w in wanted]
    value, gain = compare_answers("accuracy", model, baseline, confidence=0.95, seed=0)

    assert (value.value, gain.value) == (0.5, 0.5)
    assert 0.2 < gain.low < 0.5 < gain.high < 0.8
    assert gain.rows == 20


def test_a_table_survives_its_json_form() -> None:
    lost = (0.56, float("nan"), 0.7)
    table = BaselineTable("accuracy", 0.8, (score("majority", 0.2, lost),), {"few-shot": "no base"})
    text = json.dumps(table.to_dict(), allow_nan=False)
    again = BaselineTable.from_dict(json.loads(text))

    assert again.scores[0].measure == table.scores[0].measure
    assert isnan(again.scores[0].gain.low)
    assert (again.metric, again.model, again.absent) == ("accuracy", 0.8, {"few-shot": "no base"})
    assert BaselineTable.from_dict({}).state == "unmeasured"
