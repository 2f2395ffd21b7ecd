"""Gates go by bounds, and say by how much and where."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.check_names import number_repeats
from tidemill.engine.gate import judge, number
from tidemill.pipeline.checks import declared_checks
from tidemill.pipeline.context import Measure
from tidemill.spec.evaluation import AtLeast, AtMost, Evaluation, NoWorseThanBaseline


def at_least(value: float, part: str | None = None) -> AtLeast:
    return AtLeast(type="at_least", metric="accuracy", value=value, slice=part)


def at_most(metric: str, value: float) -> AtMost:
    return AtMost(type="at_most", metric=metric, value=value)


def no_worse(margin: float, part: str | None = None) -> NoWorseThanBaseline:
    return NoWorseThanBaseline(
        type="no_worse_than_baseline", metric="accuracy", margin=margin, slice=part
    )


REFUNDS = Measure("accuracy", 0.81, 0.74, 0.87, 120, "refunds")


def test_a_gate_compares_the_bound_and_says_by_how_much_and_where() -> None:
    verdict = judge([REFUNDS], None, [at_least(0.85, "refunds")])

    assert not verdict.has_passed
    assert verdict.message == (
        "accuracy 0.81 (0.74–0.87) on slice 'refunds': the lower bound 0.74 is 0.11 below 0.85"
    )


def test_a_good_point_estimate_does_not_pass_on_a_weak_bound() -> None:
    assert not judge([REFUNDS], None, [at_least(0.80, "refunds")]).has_passed
    assert judge([REFUNDS], None, [at_least(0.74, "refunds")]).has_passed


def test_a_gate_that_passes_says_so() -> None:
    outcome = judge([REFUNDS], None, [at_least(0.7, "refunds")]).outcomes[0]

    assert outcome.message.endswith("the lower bound 0.74 reaches 0.70")
    assert outcome.margin == pytest.approx(0.04)


def test_an_upper_limit_looks_at_the_upper_bound() -> None:
    slow = Measure("latency_p95", 0.4, 0.3, 0.9, 50)
    outcome = judge([slow], None, [at_most("latency_p95", 0.8)], units={"latency_p95": "s"})

    assert outcome.message == (
        "latency_p95 0.400 s (0.300 s–0.900 s): the upper bound 0.900 s is 0.100 s above 0.800 s"
    )


def test_an_exact_value_has_no_interval_in_its_message() -> None:
    big = Measure("size", 137e6, 137e6, 137e6, 50)
    verdict = judge([big], None, [at_most("size", 120e6)], units={"size": "bytes"})

    assert verdict.message == "size 137.0 MB: it is 17.0 MB above 120.0 MB"


def test_numbers_that_differ_look_different() -> None:
    close = Measure("accuracy", 0.9, 0.8496, 0.95, 300)

    assert (
        "the lower bound 0.8496 is 0.0004 below 0.8500"
        in judge([close], None, [at_least(0.85)]).message
    )


def test_a_gate_on_rows_that_do_not_exist_fails() -> None:
    nobody = Measure("accuracy", nan, 0.0, 1.0, 0, "vip")
    verdict = judge([nobody, REFUNDS], None, [at_least(0.1, "vip"), at_least(0.1, "unheard-of")])

    assert [outcome.passed for outcome in verdict.outcomes] == [False, False]
    assert "on slice 'vip' was not measured: there is no test row" in verdict.message


def test_without_a_baseline_its_gates_pass_and_say_so() -> None:
    verdict = judge([REFUNDS], None, [no_worse(0.01)])

    assert verdict.has_passed
    assert "skipped: first release, no baseline" in verdict.outcomes[0].message


def test_a_loss_within_the_margin_passes_and_one_beyond_it_does_not() -> None:
    gain = Measure("accuracy", -0.005, -0.02, 0.01, 200)

    assert judge([], [gain], [no_worse(0.02)]).has_passed
    verdict = judge([], [gain], [no_worse(0.01)])
    assert verdict.message == (
        "accuracy gain of -0.01 on the baseline (200 rows answered by both): "
        "the lower bound -0.02 is 0.01 below -0.01; 200 rows cannot tell so small a loss from "
        "chance: give it more test rows, or a margin of at least 0.09"
    )


def test_an_identical_model_is_no_worse_even_without_a_margin() -> None:
    assert judge([], [Measure("accuracy", 0.0, 0.0, 0.0, 200)], [no_worse(0.0)]).has_passed


def test_a_margin_that_not_even_the_same_model_could_keep_judges_by_the_gain() -> None:
    alike, fewer = (
        Measure("accuracy", 0.0, -0.07, 0.07, 36),
        Measure("accuracy", -0.03, -0.1, 0, 36),
    )

    passed = judge([], [alike], [no_worse(0.05)])
    assert passed.has_passed
    assert passed.outcomes[0].message.endswith("it passes, because no loss is seen")
    assert not judge([], [fewer], [no_worse(0.05)]).has_passed


def test_a_baseline_that_answered_none_of_the_rows_cannot_pass_anything() -> None:
    verdict = judge([], [Measure("accuracy", nan, nan, nan, 0, "new")], [no_worse(0.1, "new")])

    assert not verdict.has_passed
    assert "the baseline answered none of these rows" in verdict.message


def test_no_gates_pass() -> None:
    assert judge([], None, []).message == "there are no gates"
    assert judge([REFUNDS], None, [at_least(0.1, "refunds")]).message == "its gate passed"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_gate_passes_exactly_when_its_bound_does(low: float, limit: float, width: float) -> None:
    one = Measure("accuracy", low + width / 2, low, low + width, 10)
    outcome = judge([one], None, [at_least(limit)]).outcomes[0]

    assert outcome.passed == (low >= limit)
    assert outcome.margin is not None
    assert (outcome.margin >= 0) == outcome.passed


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (nan, "", "unknown"),
        (float("inf"), "", "unbounded"),
        (12345.6, "tokens/s", "12,346 tokens/s"),
    ],
)
def test_numbers_are_written_for_people(value: float, unit: str, said: str) -> None:
    assert number(value, unit) == said


def test_a_gate_has_one_name_in_reports_and_in_dagster() -> None:
    gates = (at_least(0.8), at_least(0.7, "in the app"), at_least(0.9), at_most("size", 9.0))
    spec = Evaluation.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "kind": "Evaluation",
            "name": "quality",
            "of": "model",
            "dataset": "rows",
            "metrics": ["accuracy"],
            "slices": [{"name": "in the app", "column": "channel", "equals": "app"}],
            "gates": [gate.model_dump() for gate in gates],
        }
    )
    names = [outcome.name for outcome in judge([REFUNDS], None, gates).outcomes]

    *of_gates, trivial = (check.name for check in declared_checks(spec))
    assert names == of_gates
    assert trivial == "trivial_baselines"
    assert names == [
        "accuracy_at_least",
        "accuracy_at_least_in_the_app",
        "accuracy_at_least_2",
        "size_at_most",
    ]


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b"])))
@settings(deadline=None)
def test_numbered_names_never_meet(names: list[str]) -> None:
    numbered = number_repeats(names)

    assert len(set(numbered)) == len(names)
    assert number_repeats(list(numbered)) == numbered
