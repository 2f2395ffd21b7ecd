"""Each condition: when it holds, since when, and what it says."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from tidemill.catalog import TRIGGERS
from tidemill.triggers import AnswerRecord, ConditionResult, FeedbackSignal, TriggerState
from tidemill.triggers.conditions.drift import psi
from tidemill.triggers.subject_weight import rating_cap, weighted_mean

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def look(
    condition: str, state: TriggerState, now: datetime = NOW, **options: object
) -> ConditionResult:
    held = TRIGGERS.load(condition).holds(TRIGGERS.options(condition, options), state, now)
    assert isinstance(held, ConditionResult)
    return held


def rating(
    n: int, value: float, *, subject: str | None = "", ago: timedelta = MINUTE
) -> FeedbackSignal:
    who = f"u{n}" if subject == "" else subject
    return FeedbackSignal("thumbs", NOW - ago, NOW - ago, who, value)


@pytest.mark.parametrize("name", TRIGGERS.names())
def test_every_condition_keeps_the_contract(name: str) -> None:
    module = TRIGGERS.load(name)

    assert module.VERSION >= 1
    assert module.__doc__
    assert module.Options.__doc__


def test_one_subject_cannot_fill_the_number_alone() -> None:
    troll = [rating(n, 0, subject="troll") for n in range(100)]
    held = look("new_rows", TriggerState(signals=troll, share=0.05), at_least=40)

    assert not held.holds
    assert held.reason == "2 of 40 new rows (100 before the limit per subject)"


def test_nobody_vouches_that_anonymous_feedback_is_many_people() -> None:
    crowd = [rating(n, 0, subject=None) for n in range(100)]

    assert not look("new_rows", TriggerState(signals=crowd, share=0.05), at_least=40).holds


def test_rows_of_other_kinds_do_not_count() -> None:
    state = TriggerState(signals=[rating(n, 0) for n in range(5)])

    assert look("new_rows", state, at_least=5).holds
    assert not look("new_rows", state, at_least=5, kinds=["comment"]).holds
    assert not look("corrections", state, at_least=1).holds


def test_corrections_that_no_dataset_may_take_do_not_count() -> None:
    given = [FeedbackSignal("correction", NOW, NOW, f"u{n}", consent=n % 2 == 0) for n in range(6)]
    strict = TriggerState(signals=given, consent_required=True)

    assert look("corrections", TriggerState(signals=given), at_least=6).holds
    held = look("corrections", strict, at_least=6)
    assert (held.holds, held.reason) == (False, "3 of 6 corrections with consent (3 without)")


@pytest.mark.parametrize(
    ("condition", "options"), [("new_rows", {}), ("negative_rate", {"above": 0.1})]
)
def test_feedback_without_consent_fires_nothing_where_no_dataset_takes_it(
    condition: str, options: dict[str, object]
) -> None:
    given = [dataclasses.replace(rating(n, 0.0), consent=False) for n in range(40)]
    strict = TriggerState(signals=given, consent_required=True)

    assert look(condition, TriggerState(signals=given), at_least=40, **options).holds
    assert not look(condition, strict, at_least=40, **options).holds


def test_a_review_counts_as_a_new_row_without_consent() -> None:
    reviews = [FeedbackSignal("review", NOW, NOW, f"u{n}", consent=False) for n in range(5)]
    strict = TriggerState(signals=reviews, consent_required=True)

    assert look("new_rows", strict, at_least=5).holds


def test_ratings_of_a_release_that_was_replaced_say_nothing_about_the_one_that_serves() -> None:
    old = [dataclasses.replace(rating(n, 0.0), release="sha256:old") for n in range(40)]
    new = [dataclasses.replace(rating(n, 1.0), release="sha256:new") for n in range(40)]
    state = TriggerState(signals=[*old, *new], live_release="sha256:new")

    held = look("negative_rate", state, above=0.1, at_least=40)

    assert (held.holds, held.numbers["ratings"]) == (False, 40)
    assert look("negative_rate", TriggerState(signals=old), above=0.1, at_least=40).holds


def test_a_bad_rate_holds_only_when_it_is_surely_above() -> None:
    bad = TriggerState(signals=[rating(n, float(n % 2)) for n in range(100)])
    few = TriggerState(signals=[rating(n, float(n % 2)) for n in range(10)])

    assert look("negative_rate", bad, above=0.4, at_least=40).holds
    assert not look("negative_rate", bad, above=0.49, at_least=40).holds
    assert (
        look("negative_rate", few, above=0.1, at_least=40).reason
        == "10 of 40 ratings in the window"
    )
    assert look("negative_rate", bad, above=0.4).reason == (
        "50% of 100 ratings are bad (at least 44%), over the limit of 40%"
    )


def test_a_troll_weighs_no_more_than_its_share_in_the_rate() -> None:
    happy = [rating(n, 1.0) for n in range(60)]
    troll = [rating(n, 0.0, subject="troll") for n in range(500)]

    held = look("negative_rate", TriggerState(signals=[*happy, *troll], share=0.05), above=0.2)

    assert not held.holds
    assert held.numbers["rate"] == pytest.approx(0.05)


def test_a_few_subjects_who_say_the_same_again_and_again_are_not_many() -> None:
    loud = [rating(n, float(n % 3 > 0), subject=f"u{n % 30}") for n in range(600)]
    once = [rating(n, float(n % 3 > 0), subject=f"u{n}") for n in range(30)]
    low = [
        look("negative_rate", TriggerState(signals=given), above=0.2).numbers["low"]
        for given in (loud, once)
    ]
    same = [rating(n, 0.0, subject=f"u{n % 30}") for n in range(600)]
    alike = [rating(n, 0.0, subject=f"u{n}") for n in range(30)]
    sure = [
        look("negative_rate", TriggerState(signals=given), above=0.2).numbers["low"]
        for given in (same, alike)
    ]

    assert low[0] == pytest.approx(low[1])
    assert sure[0] == pytest.approx(sure[1])


def test_subjects_as_unhappy_as_the_limit_seldom_hold() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        moods = rng.beta(0.6, 2.4, size=30)
        given = [
            rating(n, float(rng.random() > mood), subject=f"u{n}")
            for n, mood in enumerate(moods)
            for _ in range(15)
        ]
        held += look("negative_rate", TriggerState(signals=given, share=0.05), above=0.2).holds

    assert held / 200 < 0.15


def test_ratings_outside_the_window_are_left_out() -> None:
    old = TriggerState(signals=[rating(n, 0.0, ago=2 * DAY) for n in range(50)])

    assert not look("negative_rate", old, above=0.1, window="1d").holds


def test_no_rating_at_all_is_no_bad_rate() -> None:
    assert not look("negative_rate", TriggerState(), above=0.0, at_least=1).holds


def test_a_schedule_counts_from_the_last_firing_or_the_first_look() -> None:
    fresh = TriggerState(first_evaluated=NOW)
    fired = TriggerState(first_evaluated=NOW - 9 * DAY, firings=[NOW - DAY])

    assert look("schedule", fresh, every="1d").reason == "next at 2026-03-05 12:00 UTC"
    assert look("schedule", fired, every="1d").held_since == NOW
    assert not look("schedule", TriggerState(), every="1d").holds


def test_a_time_of_day_comes_round_on_its_days() -> None:
    state = TriggerState(first_evaluated=NOW)
    monday = datetime(2026, 3, 9, 3, tzinfo=UTC)

    assert look("schedule", state, at="03:00").reason == "next at 2026-03-05 03:00 UTC"
    assert (
        look("schedule", state, at="03:00", days=["mon"]).reason == "next at 2026-03-09 03:00 UTC"
    )
    assert look("schedule", state, monday, at="03:00", days=["mon"]).held_since == monday


@pytest.mark.parametrize(
    "options", [{}, {"every": "1d", "at": "03:00"}, {"every": "1s"}, {"at": "03:00", "days": []}]
)
def test_a_schedule_that_says_nothing_or_too_much_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TRIGGERS.options("schedule", options)


def test_a_changed_spec_holds_until_a_firing_took_it_up() -> None:
    changed = TriggerState(spec_changed_at=NOW - MINUTE)

    assert not look("spec_change", TriggerState()).holds
    assert look("spec_change", changed).held_since == NOW - MINUTE
    assert not look("spec_change", TriggerState(spec_changed_at=NOW - MINUTE, firings=[NOW])).holds


def answers(label: str, length: int, ago: timedelta, count: int = 200) -> list[AnswerRecord]:
    return [AnswerRecord(NOW - ago, label, length + n % 40) for n in range(count)]


def test_drift_is_a_moved_distribution_and_needs_enough_answers() -> None:
    before, same = answers("return", 30, 2 * DAY), answers("return", 30, MINUTE)
    moved = answers("gift_card", 60, MINUTE)

    assert not look("drift", TriggerState(answers=[*before, *same])).holds
    assert look("drift", TriggerState(answers=[*before, *moved])).holds
    assert look("drift", TriggerState(answers=[*before, *moved]), of="length").holds
    assert not look("drift", TriggerState(answers=moved)).holds
    fired = TriggerState(answers=[*before, *moved], firings=[NOW - MINUTE])
    turned = TriggerState(answers=[*before, *moved], last_turn=NOW - MINUTE)
    for used in (fired, turned):
        assert look("drift", used).reason == "the window began before the last firing"


def test_the_stability_index_is_zero_for_equal_shares() -> None:
    assert psi(["a", "b"], ["b", "a"]) == 0
    assert psi(["a"] * 90 + ["b"] * 10, ["a"] * 50 + ["b"] * 50) == pytest.approx(0.86, abs=0.05)


def test_the_cap_keeps_everybody_to_the_share_where_that_can_be() -> None:
    crowd = [1] * 95 + [500]
    most = rating_cap(crowd, 0.05)

    assert most / (95 + most) == pytest.approx(0.05)
    assert rating_cap([3, 4, 5, 1000], 0.05) == 4
    assert rating_cap([2, 2, 2], 1.0) == 2
    assert rating_cap([], 0.1) == 0
    assert weighted_mean({}, 0.1) == (0.0, 0.0)


def test_a_middling_rating_is_not_a_bad_one_and_one_from_the_future_is_none_yet() -> None:
    middling = [rating(n, 0.5) for n in range(40)]
    ahead = [rating(n, 0.0, ago=-MINUTE) for n in range(40)]

    assert look("negative_rate", TriggerState(signals=middling), above=0.1).numbers["rate"] == 0
    assert look("negative_rate", TriggerState(signals=ahead), above=0.1).numbers["ratings"] == 0


def test_a_time_of_day_that_just_fired_is_next_due_tomorrow() -> None:
    fired = TriggerState(first_evaluated=NOW - DAY, firings=[NOW])

    assert look("schedule", fired, at="12:00").reason == "next at 2026-03-05 12:00 UTC"


def test_a_share_of_the_wanted_number_is_rounded_up() -> None:
    two = [rating(n, 0, subject="one") for n in range(9)]
    held = look("new_rows", TriggerState(signals=two, share=0.05), at_least=30)

    assert held.numbers["counted"] == 2
