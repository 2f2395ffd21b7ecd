"""Metrics with bounds: what a subject with several rows changes, and what is not known."""

from __future__ import annotations

from math import isnan

import pytest

from tidemill.answer import Answer
from tidemill.engine.estimate import estimate, gain, subjects, units
from tidemill.engine.statistics import wilson
from tidemill.metrics import Scored, measure


def answers(n: int, right: int) -> list[Scored]:
    return [Scored(Answer("", "a"), Answer("", "a" if i < right else "b")) for i in range(n)]


def test_a_proportion_of_independent_rows_has_wilsons_interval() -> None:
    assert estimate("accuracy", answers(40, 30)) == wilson(30, 40)


def test_rows_of_one_subject_make_the_interval_wider() -> None:
    rows = [{"subject": f"s{i // 8}"} for i in range(40)]
    alone, together = estimate("accuracy", answers(40, 24)), subjects(rows)
    found = estimate("accuracy", answers(40, 24), clusters=together)

    assert found.high - found.low > 1.3 * (alone.high - alone.low)


def test_subjects_matter_only_where_one_has_two_rows() -> None:
    assert subjects([{"subject": "a"}, {"subject": "b"}, {"subject": None}, {}]) is None
    assert subjects([{"subject": "a"}, {"subject": "a"}, {}]) == ["a", "a", ("row", 2)]


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "latency_p95"])
def test_without_rows_there_is_no_gain(name: str) -> None:
    assert isnan(gain(name, [], []).value)
    assert isnan(measure(name, []))


def test_a_size_that_nobody_measured_is_unknown() -> None:
    assert isnan(estimate("size", answers(3, 3)).value)
    assert isnan(gain("size", [], [], sizes=(5.0, None)).value)
    assert isnan(measure("size", []))


def test_metrics_know_their_units() -> None:
    assert units(["accuracy", "latency_p50", "size"]) == {
        "accuracy": "",
        "latency_p50": "s",
        "size": "bytes",
    }
