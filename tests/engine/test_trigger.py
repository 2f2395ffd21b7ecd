"""Laws of the trigger: cooldown, daily limit, debounce; and why it did not fire."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.trigger import backtest, evaluate
from tidemill.spec.trigger import Trigger
from tidemill.triggers import AnswerRecord, FeedbackSignal, TriggerState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def trigger(when: Any = None, **fields: Any) -> Trigger:
    given = {
        "apiVersion": "tidemill/v1",
        "kind": "Trigger",
        "name": "retrain",
        "of": "chat-feedback",
        "when": when or {"any": [{"type": "new_rows", "at_least": 3}]},
        "run": ["release"],
        "cooldown": "1h",
    }
    return Trigger.model_validate({**given, **fields})


def signals(count: int, *, every: timedelta = MINUTE, end: datetime = NOW) -> list[FeedbackSignal]:
    times = [end - every * n for n in reversed(range(count))]
    return [FeedbackSignal("thumbs", at, at, f"u{n}", 0.0) for n, at in enumerate(times)]


def test_enough_rows_fire_and_the_reason_has_the_numbers() -> None:
    decision = evaluate(trigger(), TriggerState(signals=signals(3)), NOW)

    assert decision.fires
    assert decision.blocked_by is None
    assert decision.reason == "3 of 3 new rows"
    assert decision.held_since == NOW
    assert decision.numbers == {
        "0:new_rows": {"holds": True, "counted": 3, "given": 3, "at_least": 3}
    }


def test_too_few_rows_say_how_many_are_there() -> None:
    decision = evaluate(trigger(), TriggerState(signals=signals(2)), NOW)

    assert (decision.fires, decision.blocked_by) == (False, "conditions")
    assert decision.reason == "2 of 3 new rows"


@pytest.mark.parametrize(
    ("fields", "state", "blocker", "reason"),
    [
        ({}, {"under_way": "its run is under way"}, "under-way", "its run is under way"),
        ({"debounce": {"quiet": "5m"}}, {}, "debounce", "waiting for 5m of quiet"),
        ({}, {"firings": [NOW - 20 * MINUTE]}, "cooldown", "cooldown: 40m left"),
        (
            {"daily_limit": 1},
            {"firings": [NOW - 20 * HOUR]},
            "daily-limit",
            "daily limit reached: 1 firings in 24 hours",
        ),
        ({"mode": "paused"}, {}, "paused", "the trigger is paused"),
        ({"approval": {}}, {}, "approval", "needs approval by a person"),
        (
            {"approval": {"by": ["ann", "bob"]}},
            {"approval_asked_at": NOW},
            "approval",
            "needs approval by ann or bob (requested at 2026-03-01 12:00 UTC)",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(
    fields: dict[str, Any], state: dict[str, Any], blocker: str, reason: str
) -> None:
    decision = evaluate(trigger(**fields), TriggerState(signals=signals(3), **state), NOW)

    assert not decision.fires
    assert decision.blocked_by == blocker
    assert decision.reason == f"3 of 3 new rows; {reason}"
    assert decision.held_since == NOW


def test_all_needs_every_condition_and_names_the_missing_ones() -> None:
    both = {"all": [{"type": "new_rows", "at_least": 1}, {"type": "corrections", "at_least": 1}]}
    corrected = [*signals(1), FeedbackSignal("correction", NOW, NOW, "u9")]

    assert (
        evaluate(trigger(both), TriggerState(signals=signals(1)), NOW).reason
        == "0 of 1 corrections"
    )
    assert evaluate(trigger(both), TriggerState(signals=corrected), NOW).fires


def test_a_burst_is_over_after_the_quiet_time_or_the_longest_wait() -> None:
    patient = trigger(debounce={"quiet": "10m", "max_wait": "30m"})
    over = TriggerState(signals=signals(3, end=NOW - 10 * MINUTE))
    endless = TriggerState(signals=signals(33))
    remembered = TriggerState(signals=signals(3), held_since=NOW - 30 * MINUTE)

    assert evaluate(patient, over, NOW).fires
    assert evaluate(patient, endless, NOW).fires
    assert evaluate(patient, remembered, NOW).fires
    assert not evaluate(patient, replace(remembered, held_since=None), NOW).fires


def test_a_schedule_needs_no_feedback() -> None:
    weekly = trigger({"any": [{"type": "schedule", "every": "7d"}]}, of=None)

    assert not evaluate(weekly, TriggerState(first_evaluated=NOW), NOW).fires
    assert evaluate(weekly, TriggerState(first_evaluated=NOW), NOW + timedelta(days=7)).fires


gaps = st.lists(st.integers(0, 900), min_size=1, max_size=120)


@given(gaps, st.integers(0, 3600), st.integers(1, 3), st.integers(0, 600), st.integers(0, 1800))
def test_no_stream_of_feedback_breaks_cooldown_daily_limit_or_longest_wait(
    gaps: list[int], cooldown: int, limit: int, quiet: int, more: int
) -> None:
    at, timeline, longest = NOW, [], quiet + more
    for n, gap in enumerate(gaps):
        at += gap * SECOND
        timeline.append(FeedbackSignal("thumbs", at, at, f"u{n}", 0.0))
    wary = trigger(
        cooldown=f"{cooldown}s",
        daily_limit=limit,
        debounce={"quiet": f"{quiet}s", "max_wait": f"{longest}s"},
    )
    end = at + timedelta(hours=2)

    firings = backtest(wary, timeline, start=NOW, end=end, step=MINUTE)

    times = [firing.fired_at for firing in firings]
    assert all(b - a >= cooldown * SECOND for a, b in pairwise(times))
    assert all(sum(a <= b < a + timedelta(hours=24) for b in times) <= limit for a in times)
    if len(timeline) >= 3:
        full = timeline[2].arrived
        assert times
        assert times[0] <= full + max(longest * SECOND, timedelta()) + MINUTE
        assert times[0] >= full
    assert sum(firing.signals for firing in firings) <= len(timeline)


def test_a_backtest_uses_each_piece_of_feedback_once_and_ignores_pause_and_approval() -> None:
    timeline = signals(12, every=10 * MINUTE)
    tried = trigger(mode="paused", approval={}, cooldown="10m")

    firings = backtest(tried, timeline, start=timeline[0].arrived, end=NOW, step=MINUTE)

    assert [firing.signals for firing in firings] == [3, 3, 3, 3]
    assert firings[0].fired_at == timeline[2].arrived


def test_a_backtest_sees_answers_only_up_to_its_moment() -> None:
    answers = [AnswerRecord(NOW + n * MINUTE, "new" if n >= 60 else "old", 1) for n in range(120)]
    drifting = {"type": "drift", "window": "30m", "reference": "30m", "at_least": 20}

    firings = backtest(
        trigger({"any": [drifting]}),
        [],
        start=NOW,
        end=NOW + 2 * HOUR,
        answers=answers,
        step=MINUTE,
    )

    assert len(firings) == 1
    assert NOW + HOUR < firings[0].fired_at < NOW + HOUR + 30 * MINUTE


def test_without_a_step_a_backtest_looks_at_most_a_thousand_times() -> None:
    year = timedelta(days=365)

    assert backtest(trigger(), signals(3), start=NOW - year, end=NOW + year) != []


def test_cooldown_and_daily_limit_end_on_the_moment() -> None:
    cooled = TriggerState(signals=signals(3), firings=[NOW - HOUR])
    rested = TriggerState(signals=signals(3), firings=[NOW - 24 * HOUR])

    assert evaluate(trigger(), cooled, NOW).fires
    assert not evaluate(trigger(), cooled, NOW - SECOND).fires
    assert evaluate(trigger(daily_limit=1), rested, NOW).fires


def test_all_conditions_hold_from_the_last_of_them_and_any_from_the_first() -> None:
    corrected = [FeedbackSignal("correction", NOW - HOUR, NOW - HOUR, "u9"), *signals(3)]
    parts = [{"type": "new_rows", "at_least": 4}, {"type": "corrections", "at_least": 1}]
    since = [
        evaluate(trigger({how: parts}), TriggerState(signals=corrected), NOW).held_since
        for how in ("all", "any")
    ]

    assert since == [NOW, NOW - HOUR]
