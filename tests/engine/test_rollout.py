"""Every way a look at a rollout can end, and the laws that hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.arms import arm

from tidemill.engine.arm_health import ArmHealth
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary, SubjectRatings
from tidemill.spec.rollout import Rollout

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATENCY = {"signal": "latency_p95", "at_most": 0.5}
ERRORS = {"signal": "error_rate", "at_most": 0.05}
RATIO = {"signal": "latency_p95", "max_ratio_to_live": 1.5}
GOOD = arm(100, 0, 0.1, 0.2)
SLOW = arm(100, 0, 0.5, 0.9)
FAILING = arm(100, 40, 0.1, 0.2)
NO_RATINGS = RatingSummary()
WAITS = "waits for data until 2026-01-01 00:30:00 UTC, then the other signals decide"
"""How a step without enough data begins its reason, at T0."""
TOO_FEW = (
    "'latency_p95 at most 0.5' has too little data to be judged: 3 of 10 generated answers of the "
    "candidate release"
)


def spec(**fields: Any) -> Rollout:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Rollout",
        "name": "walk",
        "of": "model",
        "judged_by": "check",
        "service": "support",
        "steps": [{"percent": p, "hold": "10m"} for p in (10, 50, 100)],
        "guardrails": [LATENCY, ERRORS],
        "watch": "0s",
    }
    return Rollout.model_validate({**known, **fields})


def state(step: int = 0, **fields: Any) -> RolloutState:
    return replace(RolloutState("new", "old", T0, T0, step), **fields)


def look(
    rollout: Rollout,
    at: RolloutState,
    new: ArmHealth | None = GOOD,
    old: ArmHealth | None = GOOD,
    *,
    minutes: float = 11,
    ratings: RatingSummary = NO_RATINGS,
) -> Advance:
    arms: Mapping[str, ArmHealth | None] = {"new": new, "old": old}
    health = {name: found for name, found in arms.items() if found is not None}
    return advance(rollout, at, health, ratings, T0 + minutes * MINUTE)


def rated(live: float, new: float, n: int = 400, skew: float = 1.0) -> RatingSummary:
    rows = [
        SubjectRatings(f"{release}{i}", release == "new", 1, float(i < p * n))
        for release, p in (("old", live), ("new", new))
        for i in range(n)
    ]
    return RatingSummary(tuple(rows), int(1000 * skew), 1000)


def test_a_rollout_begins_with_its_first_step() -> None:
    found = look(spec(), state(-1), None)

    assert (found.decision, found.percent, found.state.step) == ("promote", 10, 0)
    assert found.state.step_started == T0 + 11 * MINUTE


def test_a_good_candidate_walks_ten_fifty_hundred_and_is_live() -> None:
    at, seen, now = RolloutState.begin("new", "old", T0), [], T0
    while at.status == "running":
        now += 11 * MINUTE
        found = advance(spec(), at, {"new": GOOD, "old": GOOD}, NO_RATINGS, now)
        seen.append((found.decision, found.percent))
        at = found.state

    assert seen == [("promote", 10), ("promote", 50), ("promote", 100), ("done", 100)]
    assert at.status == "live"


def test_a_step_is_held_as_long_as_it_says() -> None:
    found = look(spec(), state(), minutes=4)

    assert found.decision == "hold"
    assert found.reason == "6 min of this step are left"


@pytest.mark.parametrize("health", [SLOW, FAILING])
def test_a_slow_or_failing_candidate_is_rolled_back_at_the_first_look(health: ArmHealth) -> None:
    found = look(spec(), state(), health, minutes=0.5)

    assert (found.decision, found.percent, found.state.status) == ("roll_back", 0, "rolled_back")
    assert ">" in found.reason


def test_failure_limit_counts_looks_in_a_row() -> None:
    rollout = spec(guardrails=[{**LATENCY, "failure_limit": 2}])
    once = look(rollout, state(), SLOW, minutes=1)
    twice = look(rollout, once.state, SLOW, minutes=2)
    recovered = look(rollout, once.state, GOOD, minutes=2)

    assert (once.decision, twice.decision) == ("hold", "roll_back")
    assert "look 1" in once.reason
    assert recovered.state.strikes == {"latency_p95 at most 0.5": 0}


def test_a_look_with_too_few_answers_does_not_count_and_its_window_stays_open() -> None:
    few = arm(3, 3, 9.0, 9.0)
    found = look(spec(), state(), few)

    assert found.decision == "hold"
    assert found.reason == f"{WAITS}: {TOO_FEW}"
    assert found.state.since == T0


def test_a_window_closes_when_every_guardrail_was_judged_on_enough_answers() -> None:
    open_ = look(spec(), state(), minutes=3)
    closed = look(spec(), open_.state, arm(400, 0, 0.1, 0.2), minutes=4)

    assert (open_.state.since, open_.state.requests) == (T0, 0)
    assert (closed.state.since, closed.state.requests) == (T0 + 4 * MINUTE, 400)


def test_a_guardrail_that_was_good_in_this_step_stays_so_while_the_next_window_fills() -> None:
    judged = look(spec(), state(), minutes=3)
    found = look(spec(), judged.state, arm(2, 0, 0.1, 0.1))

    assert found.decision == "promote"


@pytest.mark.parametrize("silence", [None, ArmHealth()])
def test_no_data_holds(silence: ArmHealth | None) -> None:
    judged = look(spec(), state(), minutes=3)
    found = look(spec(), judged.state, silence)

    assert found.decision == "hold"
    assert found.reason.endswith(
        "then the other signals decide: the candidate answered nothing since the last look"
    )


def test_an_initial_delay_spares_a_cold_start_and_holds_the_step() -> None:
    rollout = spec(guardrails=[{**LATENCY, "initial_delay": "5m"}])
    early = look(rollout, state(), SLOW, minutes=2)
    late = look(rollout, early.state, SLOW, minutes=6)

    assert (early.decision, late.decision) == ("hold", "roll_back")
    assert early.state.since == T0 + 2 * MINUTE


def test_a_step_waits_for_its_fewest_answers_over_all_windows() -> None:
    rollout = spec(steps=[{"percent": 50, "hold": "1m", "min_requests": 550}, {"percent": 100}])
    first = look(rollout, state(), arm(500, 0, 0.1, 0.2), minutes=2)
    second = look(rollout, first.state, minutes=3)

    assert first.reason == (
        f"{WAITS}: the candidate has 500 of the 550 answers that this step needs"
    )
    assert second.decision == "promote"


def test_a_limit_relative_to_live_moves_with_live() -> None:
    rollout = spec(guardrails=[RATIO])

    assert look(rollout, state(), SLOW, SLOW).decision == "promote"
    assert look(rollout, state(), SLOW, GOOD).decision == "roll_back"


def test_without_data_of_live_a_relative_limit_holds() -> None:
    found = look(spec(guardrails=[RATIO]), state(), GOOD, None)

    assert found.decision == "hold"
    assert found.reason.endswith(": 0 of 10 generated answers of the live release")


def test_at_full_traffic_a_relative_limit_has_nothing_to_compare_with() -> None:
    """The former arm's times of an hour ago, at half the load, are not like work."""
    found = look(spec(guardrails=[RATIO]), state(2), SLOW, None)

    assert found.decision == "done"
    assert found.numbers["guardrails"][0]["outcome"] == "not applicable"


def test_the_first_release_of_a_service_goes_straight_to_everybody() -> None:
    found = look(spec(), state(-1, live=None), None, None)
    relative = look(spec(guardrails=[RATIO]), state(2, live=None), GOOD, None)

    assert (found.decision, found.percent) == ("promote", 100)
    assert relative.decision == "done"


def test_a_bad_first_release_has_nothing_to_go_back_to_so_a_person_is_asked() -> None:
    found = look(spec(), state(2, live=None), SLOW, None)

    assert found.decision == "ask"
    assert "no other release to go back to" in found.reason


def test_a_dark_launch_has_no_traffic_to_be_judged_on() -> None:
    rollout = spec(steps=[{"percent": 0, "hold": "1m"}, {"percent": 100, "hold": "1m"}])
    found = look(rollout, state(0), None)

    assert (found.decision, found.percent) == ("promote", 100)


def test_a_rollout_without_guardrails_goes_by_time() -> None:
    found = look(spec(guardrails=[]), state(), None)

    assert found.decision == "promote"
    assert "nothing speaks against it" in found.reason


QUALITY = {"margin": 0.05, "alpha": 0.05, "expected_ratings": 400}


def test_users_who_rate_it_worse_send_it_back_before_the_step_is_over() -> None:
    found = look(spec(quality=QUALITY), state(1), minutes=1, ratings=rated(0.9, 0.5))

    assert found.decision == "roll_back"
    assert "users rate it worse" in found.reason


def test_a_wrong_split_makes_no_verdict_but_a_question() -> None:
    skewed = rated(0.9, 0.5, skew=2)
    asked = look(spec(quality=QUALITY), state(1), ratings=skewed)
    agreed = look(spec(quality=QUALITY), state(1, approved_step=1), ratings=skewed)

    assert asked.decision == "ask"
    assert "the split is wrong" in asked.reason
    assert agreed.decision == "promote"


def test_better_ratings_promote_and_say_so() -> None:
    found = look(spec(quality=QUALITY), state(1), ratings=rated(0.5, 0.9))

    assert found.decision == "promote"
    assert found.reason.endswith("ratings say better")


@pytest.mark.parametrize(
    ("policy", "decision"),
    [("hold", "hold"), ("ask", "ask"), ("rollback", "roll_back"), ("promote", "promote")],
)
def test_ratings_that_decide_nothing_follow_the_spec(policy: str, decision: str) -> None:
    rollout = spec(quality=QUALITY, on_inconclusive=policy)

    assert look(rollout, state(1), ratings=rated(0.8, 0.8, 20)).decision == decision


WAITING = [
    {"percent": 10, "hold": "10m", "ratings_within": "2h"},
    {"percent": 50, "hold": "10m", "ratings_within": "2h"},
    {"percent": 100, "hold": "10m"},
]


@pytest.mark.parametrize(("step", "skew"), [(0, 9), (1, 1)])
def test_a_share_grows_when_ratings_exclude_harm_or_their_time_is_over(
    step: int, skew: float
) -> None:
    rollout = spec(steps=WAITING, quality=QUALITY, on_inconclusive="promote")
    few, many = rated(0.8, 0.8, 20, skew), rated(0.8, 0.8, 20_000, skew)

    early = look(rollout, state(step), ratings=few)
    assert (early.decision, early.percent) == ("hold", (10, 50)[step])
    assert " of the time for ratings are left" in early.reason
    assert look(rollout, state(step), ratings=many).decision == "promote"
    assert look(rollout, state(step), ratings=few, minutes=120).decision == "promote"


def test_after_the_time_for_ratings_the_last_shared_step_follows_the_spec() -> None:
    rollout = spec(steps=WAITING, quality=QUALITY, on_inconclusive="ask")

    few = rated(0.8, 0.8, 20)
    assert look(rollout, state(1), minutes=119, ratings=few).decision == "hold"
    assert look(rollout, state(1), minutes=120, ratings=few).decision == "ask"
    assert look(rollout, state(0), minutes=120).decision == "promote"


def test_harm_and_a_guardrail_do_not_wait_for_the_time_of_ratings() -> None:
    rollout = spec(steps=WAITING, quality=QUALITY)

    assert look(rollout, state(0), ratings=rated(0.9, 0.5, skew=9)).decision == "roll_back"
    assert look(rollout, state(0), FAILING).decision == "roll_back"


def test_ratings_decide_before_the_live_arm_loses_its_last_share() -> None:
    rollout = spec(quality=QUALITY, on_inconclusive="ask")

    assert look(rollout, state(0), ratings=NO_RATINGS).decision == "promote"
    assert look(rollout, state(1), ratings=NO_RATINGS).decision == "ask"
    assert look(rollout, state(2), ratings=NO_RATINGS).decision == "done"


def test_a_rollout_without_a_split_decides_at_its_end() -> None:
    rollout = spec(quality=QUALITY, steps=[{"percent": 100, "hold": "1m"}])

    assert look(rollout, state(0), ratings=NO_RATINGS).decision == "ask"


def test_a_person_who_agreed_in_this_step_settles_what_ratings_did_not() -> None:
    rollout = spec(quality=QUALITY)
    agreed = state(1).approve("ada")

    assert look(rollout, agreed, ratings=NO_RATINGS).decision == "promote"
    assert look(rollout, replace(agreed, approved_step=0), ratings=NO_RATINGS).decision == "ask"


def test_an_approval_is_asked_for_before_its_share_is_passed() -> None:
    rollout = spec(approval={"by": ["ada", "bob"], "before_percent": 10})
    begun = look(rollout, state(-1), None)
    asked = look(rollout, state(0))
    agreed = look(rollout, state(0).approve("ada"))

    assert begun.decision == "promote"
    assert asked.decision == "ask"
    assert asked.reason == "ada or bob has to approve before traffic goes beyond 10 % (next: 50 %)"
    assert agreed.decision == "promote"


def test_an_approval_without_a_share_is_asked_for_before_the_first_step() -> None:
    found = look(spec(approval={}), state(-1), None)

    assert found.decision == "ask"
    assert found.reason.startswith("somebody has to approve")


def test_an_ab_test_stays_at_its_first_step_until_ratings_decide() -> None:
    rollout = spec(mode="ab", quality=QUALITY, steps=[{"percent": 50, "hold": "1m"}])
    waiting = look(rollout, state(), ratings=rated(0.8, 0.8, 20))
    full = look(rollout, state(), ratings=rated(0.8, 0.8, 250))
    decided = look(rollout, state(), ratings=rated(0.5, 0.9))

    assert waiting.reason.endswith("400 ratings are expected")
    assert full.decision == "ask"
    assert (decided.decision, decided.percent) == ("done", 100)


def test_a_shadow_is_judged_by_its_guardrails_and_answers_nobody() -> None:
    rollout = spec(mode="shadow", steps=[{"percent": 0, "hold": "1m"}])

    assert look(rollout, state(), SLOW).decision == "roll_back"
    assert look(rollout, state(), None).decision == "hold"
    ended = look(rollout, state())
    assert (ended.decision, ended.percent, ended.state.status) == ("done", 0, "ended")


def test_a_paused_rollout_holds_and_goes_on_from_the_start_of_its_step() -> None:
    paused = state().pause()
    resumed = paused.resume(T0 + 30 * MINUTE)

    assert look(spec(), paused, SLOW).decision == "hold"
    assert resumed.status == "running"
    assert look(spec(), resumed, minutes=35).decision == "hold"
    assert state().resume(T0) == state()
    assert paused.pause() == paused


@pytest.mark.parametrize("status", ["live", "rolled_back", "ended"])
def test_a_finished_rollout_stays_finished(status: str) -> None:
    found = look(spec(), state(2, status=status), SLOW)

    assert found.decision == "done"
    assert found.state.status == status


def test_a_state_survives_the_ledger() -> None:
    at = look(spec(), state(), minutes=3).state

    assert RolloutState.read(json.loads(json.dumps(at.record()))) == at


def test_the_numbers_of_a_decision_are_kept() -> None:
    found = look(spec(quality=QUALITY), state(1), ratings=rated(0.5, 0.9))
    numbers = json.loads(json.dumps(found.numbers))

    assert numbers["health"]["candidate"]["error_rate"] == 0.0
    assert numbers["guardrails"][0]["limit"] == 0.5
    assert numbers["ratings"]["finding"] == "better"


ARM = st.one_of(
    st.none(),
    st.builds(
        arm,
        requests=st.integers(0, 600),
        errors=st.just(0),
        p50=st.one_of(st.none(), st.floats(0, 2)),
        p95=st.one_of(st.none(), st.floats(0, 2)),
    ),
)
STATES = st.builds(
    lambda step, live, status: state(step, live=live, status=status),
    st.integers(-1, 2),
    st.sampled_from(["old", None]),
    st.sampled_from(["running", "running", "paused"]),
)
GUARDS = st.lists(st.sampled_from([LATENCY, ERRORS, RATIO]), min_size=1, max_size=3, unique_by=str)


@given(STATES, ARM, GUARDS, st.floats(0, 29))
@settings(deadline=None)
def test_nothing_with_traffic_moves_on_without_data_before_its_time(
    at: RolloutState, old: ArmHealth | None, guards: list[dict[str, Any]], minutes: float
) -> None:
    for silent in (None, ArmHealth()):
        found = look(spec(guardrails=guards), at, silent, old, minutes=minutes)

        assert found.decision == "hold" or (at.step == -1 and at.status == "running")


@given(STATES, ARM, ARM, GUARDS, st.floats(0, 100))
@settings(deadline=None)
def test_a_broken_guardrail_beats_everything_that_would_promote(
    at: RolloutState,
    new: ArmHealth | None,
    old: ArmHealth | None,
    guards: list[dict[str, Any]],
    minutes: float,
) -> None:
    found = look(spec(guardrails=guards), at, new, old, minutes=minutes)
    broken = any(reading["broken"] for reading in found.numbers["guardrails"])

    if broken and at.status == "running":
        assert found.decision == ("roll_back" if at.live else "ask")


@given(st.lists(st.tuples(ARM, ARM, st.integers(0, 20)), max_size=12), GUARDS)
@settings(deadline=None, max_examples=50)
def test_the_share_only_rises_until_it_falls_to_nothing(
    looks: list[tuple[ArmHealth | None, ArmHealth | None, int]], guards: list[dict[str, Any]]
) -> None:
    rollout, at, now, shares = (
        spec(guardrails=guards),
        RolloutState.begin("new", "old", T0),
        T0,
        [0],
    )
    for new, old, minutes in looks:
        now += minutes * MINUTE
        arms = {name: found for name, found in (("new", new), ("old", old)) if found}
        found = advance(rollout, at, arms, NO_RATINGS, now)
        at = found.state
        shares.append(found.percent)

    rising = [share for share in shares if at.status != "rolled_back" or share > 0]
    assert rising == sorted(rising)


def test_a_signal_right_at_its_limit_is_within() -> None:
    found = look(spec(), state(), arm(100, 5, 0.1, 0.5))

    assert found.decision == "promote"
    assert [one["outcome"] for one in found.numbers["guardrails"]] == ["within", "within"]


def test_strikes_outlive_looks_that_see_nothing() -> None:
    rollout = spec(
        guardrails=[{**LATENCY, "failure_limit": 2, "initial_delay": "2m", "min_requests": 10}]
    )
    struck = state(strikes={"latency_p95 at most 0.5": 1})

    for early, health in ((1.0, GOOD), (3.0, arm(2, 0, 0.1, 0.2))):
        seen = look(rollout, struck, health, minutes=early).state
        assert look(rollout, seen, SLOW, minutes=5).decision == "roll_back"


def test_a_guardrail_that_was_broken_once_has_to_be_good_again_before_the_next_step() -> None:
    rollout = spec(guardrails=[{**LATENCY, "failure_limit": 3, "min_requests": 10}])
    good = look(rollout, state(), GOOD, minutes=1).state
    bad = look(rollout, good, SLOW, minutes=2).state
    quiet = look(rollout, bad, arm(3, 0, 0.1, 0.2), minutes=11)

    assert (quiet.decision, quiet.reason) == (
        "hold",
        f"waits for data until 2026-01-01 00:32:00 UTC, then the other signals decide: {TOO_FEW}",
    )


def test_missing_data_is_named_and_follows_the_spec_after_its_time() -> None:
    """The live arm answers from its cache alone: its p95 never comes."""
    cached = arm(900, 0)

    def found(then: str, minutes: float, at: RolloutState | None = None) -> Advance:
        rule = {"after": "20m", "then": then}
        rollout = spec(guardrails=[ERRORS, RATIO], on_no_data=rule)
        return look(rollout, at or state(), GOOD, cached, minutes=minutes)

    early = found("judge_others", 15)
    ends = {then: found(then, 21) for then in ("judge_others", "hold", "roll_back")}

    assert early.decision == "hold"
    assert [end.decision for end in ends.values()] == ["promote", "hold", "roll_back"]
    for end in ends.values():
        assert (
            "'latency_p95 at most 1.5 times live' has too little data to be judged: 0 of 10 "
            "generated answers of the live release" in end.reason
        )
    assert [end.is_stalled for end in (early, *ends.values())] == [False, False, True, False]
    assert ends["hold"].reason.startswith("no data after 20 min: ")
    assert found("hold", 21, state().approve("ada")).decision == "promote"


@pytest.mark.parametrize(
    ("then", "follows"),
    [
        ("judge_others", "the other signals decide"),
        ("roll_back", "the candidate is rolled back"),
        ("hold", "a person decides"),
    ],
)
def test_a_step_that_waits_says_for_what_until_when_and_what_follows(
    then: str, follows: str
) -> None:
    rollout = spec(on_no_data={"after": "20m", "then": then})
    found = look(rollout, state(), arm(3, 0, 0.1, 0.1), minutes=11)

    wait = f"waits for data until {T0 + 20 * MINUTE:%Y-%m-%d %H:%M:%S} UTC"
    assert found.reason == f"{wait}, then {follows}: {TOO_FEW}"


def test_a_candidate_that_refuses_every_request_is_never_judged_by_others() -> None:
    full = ArmHealth(0, 0, overloaded=50)
    early, late = (look(spec(), state(), full, minutes=minutes) for minutes in (11, 31))

    assert (early.decision, late.decision) == ("hold", "roll_back")
    assert late.reason == "the candidate refused all of its 50 requests as overload"


def test_what_is_beyond_a_limit_and_not_shown_holds_for_a_time() -> None:
    few, old = arm(40, 0, 0.1, 0.35), arm(40, 0, 0.1, 0.2)
    early, late = (look(spec(guardrails=[RATIO]), state(), few, old, minutes=m) for m in (11, 31))

    assert (early.decision, late.decision) == ("hold", "promote")
    assert "is not clearly >" in early.reason


def test_a_state_that_an_older_version_wrote_is_read() -> None:
    record = {**state().record(), "live_signals": {"latency_p95": 0.2}}

    assert RolloutState.read(record) == state()


def test_a_promoted_release_is_watched_by_absolute_limits_and_ratings() -> None:
    rollout = spec(quality=QUALITY, guardrails=[ERRORS, RATIO], watch="2h")
    begun = look(rollout, state(2, approved_step=2), GOOD, None)
    at = begun.state

    def watched(minutes: float, new: ArmHealth, ratings: RatingSummary = NO_RATINGS) -> Advance:
        return look(rollout, at, new, None, minutes=minutes, ratings=ratings)

    assert (begun.decision, begun.percent, at.status) == ("done", 100, "watched")
    assert begun.reason.endswith("watched for 2 h: error_rate at most 0.05, thumbs ratings")
    assert watched(20, SLOW).decision == "hold"
    assert watched(20, FAILING).decision == "roll_back"
    assert watched(20, GOOD, rated(0.9, 0.5)).reason.startswith(
        "users rate it worse than the release before"
    )
    assert watched(20, GOOD, rated(0.9, 0.5)).decision == "roll_back"
    over = watched(132, GOOD)
    assert (over.decision, over.state.status) == ("done", "live")
