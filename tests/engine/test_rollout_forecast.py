"""What a rollout's steps see at a traffic and by when, and which rollout never ends by itself."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.rollout_specs import QUALITY, spec

from tidemill.engine.ratings_needed import RatingRate
from tidemill.engine.rollout_forecast import RolloutForecast, rollout_forecast
from tidemill.engine.service_traffic import RequestRate, ServiceTraffic, service_traffic
from tidemill.engine.statistics import clopper_pearson
from tidemill.engine.step_evidence import RatingEvidence, visible_error_rate, visible_loss
from tidemill.spec.rollout import ExpectedTraffic, RatingQuality

SMALL = ServiceTraffic(requests_per_day=100, ratings_per_day=5)
BUSY = ServiceTraffic(requests_per_day=100_000, ratings_per_day=5_000)
ERRORS = {"signal": "error_rate", "at_most": 0.02, "min_requests": 20}
RATIO = {"signal": "latency_p50", "max_ratio_to_live": 2, "min_requests": 30}
HOUR = 1 / 24


def forecast(traffic: ServiceTraffic = SMALL, **fields: Any) -> RolloutForecast:
    found = rollout_forecast(spec(**fields), traffic)
    assert found is not None
    return found


def days(found: RolloutForecast) -> list[float]:
    return [step.days for step in found.steps]


def problem(traffic: ServiceTraffic = SMALL, **fields: Any) -> str:
    return str(forecast(traffic, **fields).problem)


def test_without_traffic_there_is_no_forecast() -> None:
    assert rollout_forecast(spec(), None) is None


def test_a_step_that_waits_for_nothing_lasts_its_hold() -> None:
    found = forecast()

    assert days(found) == pytest.approx([HOUR] * 3)
    assert found.problem is None


def test_answers_that_are_needed_take_their_time_at_the_share_of_the_step() -> None:
    found = forecast(guardrails=[ERRORS], on_no_data={"after": "10d"})

    assert days(found) == pytest.approx([20 / 10, 20 / 50, 20 / 100])


def test_of_a_ratio_the_slower_arm_counts_and_at_all_traffic_none() -> None:
    steps = [{"percent": 90, "hold": "1h"}, {"percent": 100, "hold": "1h"}]
    found = forecast(guardrails=[RATIO], steps=steps, on_no_data={"after": "10d"})

    assert days(found) == pytest.approx([30 / 10, HOUR])


def test_missing_answers_are_waited_for_no_longer_than_the_spec_says() -> None:
    found = forecast(guardrails=[ERRORS], on_no_data={"after": "1d"})

    assert days(found) == pytest.approx([1, 20 / 50, 20 / 100])
    assert found.problem is None


def test_answers_that_never_come_in_time_are_a_problem_with_numbers_and_way_out() -> None:
    steps = [{"percent": 1, "hold": "1h", "min_requests": 100}, {"percent": 100, "hold": "1h"}]

    held = problem(steps=steps, on_no_data={"after": "1d", "then": "hold"})
    assert held == (
        "at 1 %: 100 answers take about 100 days at 1 a day, and finish_within is 28 days; lower "
        "min_requests, or go on without them by 'on_no_data: {then: judge_others}'"
    )
    assert "after about 1 day every candidate goes back" in problem(
        steps=steps, on_no_data={"after": "1d", "then": "roll_back"}
    )
    assert problem(BUSY, steps=steps, on_no_data={"after": "1d", "then": "hold"}) == "None"


def test_ratings_are_waited_for_until_they_exclude_harm_or_their_time_is_over() -> None:
    steps = [
        {"percent": 10, "hold": "1h"},
        {"percent": 50, "hold": "1h", "ratings_within": "7d"},
        {"percent": 100, "hold": "1h"},
    ]
    fields = {"steps": steps, "quality": QUALITY, "on_inconclusive": "promote"}
    small, busy = forecast(SMALL, **fields), forecast(BUSY, **fields)

    assert days(small) == pytest.approx([HOUR, 7, HOUR])
    assert HOUR < days(busy)[1] < 1
    assert small.problem is None


@pytest.mark.parametrize(
    ("policy", "tail"),
    [
        ("hold", "finish_within is 28 days"),
        ("ask", "after less than a day a person is asked each time"),
        ("rollback", "even a candidate as good as the live release goes back"),
    ],
)
def test_ratings_that_never_decide_are_a_problem_unless_the_guardrails_may(
    policy: str, tail: str
) -> None:
    found = problem(quality=QUALITY, on_inconclusive=policy)

    assert found.startswith("at 50 %: 3,911 ratings are needed to show thumbs within 0.05, ")
    assert "about 783 days at 5 a day" in found
    assert tail in found
    assert "on_inconclusive: promote" in found
    assert problem(quality=QUALITY, on_inconclusive="promote") == "None"


def test_the_margin_that_is_offered_can_be_reached() -> None:
    steps = [{"percent": 50, "hold": "28d"}, {"percent": 100, "hold": "1h"}]
    fields = {"steps": steps, "on_inconclusive": "ask", "finish_within": "5w"}
    margin = float(problem(quality=QUALITY, **fields).rpartition("widen the margin to ")[2])

    assert problem(quality={**QUALITY, "margin": margin}, **fields) == "None"
    assert problem(quality={**QUALITY, "margin": margin - 0.02}, **fields) != "None"


def test_a_person_who_has_to_agree_anyway_may_be_asked_by_ratings_too() -> None:
    assert problem(quality=QUALITY, on_inconclusive="ask", approval={}) == "None"


def test_without_ratings_what_waits_for_them_lasts_for_ever() -> None:
    silent = ServiceTraffic(100, 0)
    found = forecast(silent, quality=QUALITY, on_inconclusive="hold")

    assert found.days == inf
    assert "for ever at 0 a day" in str(found.problem)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["days"] is None


def test_an_ab_test_ends_with_its_expected_ratings() -> None:
    fields = {"mode": "ab", "steps": [{"percent": 50, "hold": "1d"}]}
    quality = {"margin": 0.005, "expected_ratings": 100}

    assert days(forecast(quality=quality, **fields)) == pytest.approx([20])
    late = problem(quality={**quality, "expected_ratings": 1000}, **fields)
    assert "1,000 ratings are needed to end the test, about 200 days at 5 a day" in late


def test_a_shadow_gets_a_copy_of_every_request_and_no_rating() -> None:
    fields = {"mode": "shadow", "steps": [{"percent": 0, "hold": "1h"}], "quality": QUALITY}
    found = forecast(guardrails=[ERRORS], on_no_data={"after": "10d"}, **fields)

    assert days(found) == pytest.approx([20 / 100])
    assert (found.steps[0].ratings, found.watch, found.problem) == (0, None, None)


def test_more_copies_of_a_shadow_show_an_agreement_nearer_to_the_limit() -> None:
    def visible(hold: str) -> float | None:
        steps = [{"percent": 0, "hold": hold}]
        return forecast(mode="shadow", steps=steps, min_agreement=0.9).steps[0].visible_agreement

    few, many, most = visible("1d"), visible("4d"), visible("20d")
    assert few is not None
    assert many is not None
    assert few < many < 0.9
    assert most is not None
    assert many < most < 0.9
    assert most == visible("28d")  # a look compares the newest pairs alone
    assert forecast().steps[0].visible_agreement is None


def test_steps_that_end_each_can_be_too_late_together() -> None:
    steps = [{"percent": p, "hold": "11d"} for p in (10, 50, 100)]

    assert problem(steps=steps).startswith(
        "the steps take about 33 days at 100 requests and 5 ratings a day, and finish_within is"
    )
    assert problem(steps=steps, finish_within="5w") == "None"


def test_more_time_shows_a_smaller_loss_and_the_watch_the_smallest() -> None:
    steps = [{"percent": p, "hold": "7d"} for p in (10, 50, 100)]
    found = forecast(steps=steps, quality=QUALITY, on_inconclusive="promote", watch="28d")
    losses = [step.visible_loss for step in found.steps]

    assert losses[0] is None
    assert losses[1] is not None
    assert found.watch is not None
    assert found.watch.visible_loss is not None
    assert 0.05 < found.watch.visible_loss < losses[1]


@given(st.floats(0.001, 0.5), st.integers(1, 400))
def test_the_visible_error_rate_is_the_first_whose_bound_is_beyond_the_limit(
    limit: float, n: int
) -> None:
    found = visible_error_rate(limit, n)
    lows = [clopper_pearson(round(k), n).low for k in ((found or 1) * n - 1, (found or 1) * n)]

    assert lows[0] <= limit + 1e-9
    assert (lows[1] > limit - 1e-9) == (found is not None)


def test_ratings_of_an_arm_alone_show_nothing() -> None:
    quality = RatingQuality.model_validate(QUALITY)

    assert visible_loss(RatingEvidence().with_step(1000, 0), 0.25, quality) is None
    assert visible_loss(RatingEvidence().with_step(1000, 9), 0.25, quality) is None
    assert visible_loss(RatingEvidence().with_step(1000, 1000), 0.25, quality) is not None


def test_measured_traffic_counts_from_a_day_on_and_expectations_fill_the_gaps() -> None:
    expected = ExpectedTraffic(requests_per_day=100, rating_rate=0.05)
    young, grown = RequestRate(50, 0.5), RequestRate(400, 2)
    ratings = RatingRate(20, 2, 0.9)

    assert service_traffic(None, None, None) is None
    assert service_traffic(None, young, ratings) is None
    assert service_traffic(expected, young, ratings) == ServiceTraffic(100, 5, is_measured=False)
    assert service_traffic(expected, grown, None) == ServiceTraffic(200, 10)
    measured = service_traffic(expected, grown, ratings)
    assert measured is not None
    assert (measured.requests_per_day, measured.ratings_per_day) == (200, 10)
    assert measured.variance < 0.25
