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


def test_less_is_better_for_a_latency_and_its_gain_is_what_was_saved() -> None:
    slow, quick = (
        [Scored(Answer("", "a"), Answer("", "a"), seconds=s + i / 1e3) for i in range(20)]
        for s in (2.0, 1.0)
    )

    assert gain("latency_p50", quick, slow).low == pytest.approx(1.0)
    assert gain("latency_p50", slow, quick).high == pytest.approx(-1.0)


def test_a_gain_on_rows_of_few_subjects_is_less_sure() -> None:
    rows = [{"subject": f"s{i // 8}"} for i in range(40)]
    alone = gain("accuracy", answers(40, 24), answers(40, 8))
    together = gain("accuracy", answers(40, 24), answers(40, 8), clusters=subjects(rows))

    assert together.high - together.low > 1.3 * (alone.high - alone.low)
