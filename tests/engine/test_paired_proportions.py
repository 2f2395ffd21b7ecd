"""The difference of two models on the same rows: its interval covers, and its margins are fair."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.engine.paired_proportions import (
    TYPICAL_DISAGREEMENT,
    half_width_alike,
    paired_proportion_interval,
    smallest_margin,
)

OUTCOMES = (-1.0, 0.0, 1.0)


def draw(rows: int, won: float, lost: float, seed: int) -> list[float]:
    dice = np.random.default_rng(seed)
    return [float(d) for d in dice.choice(OUTCOMES, size=rows, p=[lost, 1 - won - lost, won])]


@pytest.mark.parametrize("rows", [20, 36, 59, 300])
@pytest.mark.parametrize(("won", "lost"), [(0.0, 0.0), (0.02, 0.0), (0.05, 0.05), (0.2, 0.04)])
def test_the_interval_covers_the_true_difference(rows: int, won: float, lost: float) -> None:
    found = [paired_proportion_interval(draw(rows, won, lost, seed)) for seed in range(800)]

    covers = sum(one.low <= won - lost <= one.high for one in found) / len(found)
    assert covers >= 0.92


def test_rows_of_which_none_differs_do_not_make_certainty() -> None:
    found = paired_proportion_interval([0.0] * 36)

    assert found.value == 0
    assert found.high == pytest.approx(half_width_alike(36))
    assert found.low == -found.high


def test_one_row_won_of_ten_is_as_published() -> None:
    # Bonett and Price: (1 + 1)/12 - (0 + 1)/12 = 0.0833, error sqrt((3/12 - 0.0833**2)/12).
    found = paired_proportion_interval([1.0] + [0.0] * 9)

    assert (found.low, found.high) == pytest.approx((-0.1957, 0.3624), abs=1e-3)


def test_rows_of_one_subject_count_as_one_draw() -> None:
    differences = draw(30, 0.2, 0.1, 3)
    rows = paired_proportion_interval(differences * 10)
    subjects = paired_proportion_interval(differences * 10, clusters=[*range(30)] * 10)

    assert subjects.high - subjects.low > 2 * (rows.high - rows.low)


def test_no_rows_say_nothing() -> None:
    found = paired_proportion_interval([])

    assert (found.low, found.high, found.rows) == (-1, 1, 0)


@pytest.mark.parametrize("rows", [36, 59, 200, 1000])
def test_an_equally_good_model_keeps_within_the_smallest_margin(rows: int) -> None:
    margin, half = smallest_margin(rows), TYPICAL_DISAGREEMENT / 2
    lows = [paired_proportion_interval(draw(rows, half, half, seed)).low for seed in range(600)]

    kept = sum(low >= -margin for low in lows) / len(lows)
    tighter = sum(low >= -margin * 0.7 for low in lows) / len(lows)
    assert kept >= 0.93
    assert tighter < 0.94
