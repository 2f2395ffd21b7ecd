"""The rollout that `init` writes ends alone at a small team's traffic, and stops what does harm.

A hundred requests and five ratings a day, through the real decisions.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.init.conftest import Init, table
from tests.init.small_team import SmallTeam, play, with_poison

from tidemill.engine.rollout_forecast import rollout_forecast
from tidemill.engine.service_traffic import ServiceTraffic
from tidemill.spec.load import load
from tidemill.spec.rollout import Rollout

TRAFFIC = ServiceTraffic(requests_per_day=100, ratings_per_day=5)
WITHIN_DAYS = 12


@pytest.fixture
def rollout(place: Path, init: Init) -> Rollout:
    """As it is written, without an edit."""
    (place / "rows.csv").write_text(table())
    assert init("desk", "--data", "rows.csv", "--yes") == 0
    return load(Path("specs")).projects["desk"].spec("rollout", Rollout)


def test_a_good_candidate_is_promoted_alone_and_when_the_forecast_says(rollout: Rollout) -> None:
    """At least 95 % of them, and none is held."""
    forecast = rollout_forecast(rollout, TRAFFIC)
    ends = [play(rollout, SmallTeam(seed)) for seed in range(40)]
    statuses = Counter(end.status for end in ends)
    days = [end.promoted_after for end in ends if end.promoted_after is not None]

    assert statuses["live"] >= 38, [end.last.reason for end in ends if end.status != "live"]
    assert statuses["live"] + statuses["rolled_back"] == 40, statuses
    assert max(days) <= WITHIN_DAYS
    assert forecast is not None
    assert forecast.days == pytest.approx(sum(days) / len(days), abs=1.5)


def test_a_poisoned_candidate_goes_back_in_its_steps_or_its_watch(rollout: Rollout) -> None:
    """With 25 points fewer positive ratings: 88 of 100 with two looks a day."""
    ends = [play(rollout, with_poison(seed)) for seed in range(40)]
    stopped = [end for end in ends if end.status == "rolled_back"]

    assert len(stopped) >= 30
    assert all("users rate it worse than" in end.last.reason for end in stopped)


def test_about_half_of_the_candidates_with_the_visible_loss_go_back(rollout: Rollout) -> None:
    forecast = rollout_forecast(rollout, TRAFFIC)
    assert forecast is not None
    assert forecast.watch is not None
    assert forecast.watch.visible_loss is not None
    ends = [play(rollout, with_poison(s, forecast.watch.visible_loss)) for s in range(24)]

    assert 6 <= sum(end.status == "rolled_back" for end in ends) <= 21
