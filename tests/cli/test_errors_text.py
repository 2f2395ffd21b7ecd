"""Trends and sparklines say what is known, and no more."""

from __future__ import annotations

from math import inf

import pytest

from tidemill.cli._errors_text import sparkline, trend_text
from tidemill.engine.weekly_trend import WeeklyTrend


@pytest.mark.parametrize(
    ("trend", "text"),
    [
        (WeeklyTrend(1.35, 1.04, 1.76), "+35% (+4% to +76%)"),
        (WeeklyTrend(0.5, 0.0, 0.8), "-50% (-100% to -20%)"),
        (WeeklyTrend(inf, 2.5, inf), "at least +150%"),
        (None, "too few to say"),
    ],
)
def test_a_trend_comes_with_its_interval(trend: WeeklyTrend | None, text: str) -> None:
    assert trend_text(trend) == text


def test_a_bar_is_the_share_of_people_and_a_week_without_traffic_is_a_dot() -> None:
    assert sparkline([0, 5, 5, 20], [0, 100, 50, 100]) == "·▃▅█"
    assert sparkline([0, 0], [10, 10]) == "▁▁"
