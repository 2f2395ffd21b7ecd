"""Calibration: confidence against how often it is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tidemill.engine.calibration import calibration_bins, expected_error

ANSWERS = some.lists(some.tuples(some.floats(0, 1), some.booleans()), max_size=60)


def test_confidences_fall_into_the_bin_that_ends_at_them() -> None:
    found = calibration_bins([(0.0, True), (0.1, True), (0.10001, False), (1.0, True)])

    assert [(one.low, one.rows) for one in found] == [(0.0, 2), (0.1, 1), (0.9, 1)]


def test_the_error_is_the_gap_weighted_by_rows() -> None:
    found = calibration_bins([(0.95, True), (0.95, False), (0.55, True), (0.55, True)])

    assert expected_error(found) == pytest.approx((2 * 0.45 + 2 * 0.45) / 4)


def test_without_answers_there_is_no_error() -> None:
    assert calibration_bins([]) == ()
    assert expected_error(()) is None


def test_a_confidence_outside_its_range_counts_at_the_edge() -> None:
    found = calibration_bins([(1.0000001, True), (-0.1, False)])

    assert [one.confidence for one in found] == [0.0, 1.0]


def test_a_smaller_confidence_gives_a_narrower_interval() -> None:
    wide = calibration_bins([(0.5, True)] * 9, confidence=0.99)[0]
    narrow = calibration_bins([(0.5, True)] * 9, confidence=0.8)[0]

    assert wide.accuracy_low < narrow.accuracy_low < narrow.accuracy


@given(ANSWERS)
def test_every_answer_is_in_one_bin_and_within_it(answers: list[tuple[float, bool]]) -> None:
    found = calibration_bins(answers)

    assert sum(one.rows for one in found) == len(answers)
    for one in found:
        assert one.low - 1e-9 <= one.confidence <= one.high + 1e-9
        assert one.accuracy_low <= one.accuracy <= one.accuracy_high


@given(ANSWERS.filter(bool))
def test_the_error_is_a_share(answers: list[tuple[float, bool]]) -> None:
    error = expected_error(calibration_bins(answers))

    assert error is not None
    assert 0 <= error <= 1
