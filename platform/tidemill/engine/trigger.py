"""Decides whether a trigger fires now, with the reason: pure, so the past can be replayed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tidemill.triggers import AnswerRecord, ConditionResult, FeedbackSignal, TriggerState

if TYPE_CHECKING:
    from tidemill.spec.trigger import Trigger

Blocker = Literal[
    "conditions", "under-way", "debounce", "cooldown", "daily-limit", "paused", "approval"
]
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class TriggerVerdict:
    """The result of one trigger evaluation, with its numbers."""

    fires: bool
    reason: str
    blocked_by: Blocker | None = None
    """The obstacle; None where it fires."""
    held_since: datetime | None = None
    """Start of the time in which the conditions hold; the next evaluation's state carries it."""
    numbers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The counted numbers by condition, as JSON values."""


@dataclass(frozen=True)
class Firing:
    """One firing of a backtest."""

    fired_at: datetime
    reason: str
    signals: int
    """Number of feedback events it would have used."""


def evaluate(trigger: Trigger, state: TriggerState, now: datetime) -> TriggerVerdict:
    """Fires where the conditions hold and no obstacle is left.

    Never two firings within `cooldown`, never more than `daily_limit` in 24 hours; a burst delays
    the firing by at most `max_wait` after the conditions first held.
    """
    results = _conditions(trigger, state, now)
    numbers = _numbers(trigger, results)
    reason = _join_reasons(trigger, results)
    if not _hold(trigger, results):
        return TriggerVerdict(False, reason, "conditions", None, numbers)
    since = _holding_since(trigger, results, state.held_since)
    for blocker, obstacle in _obstacles(trigger, state, since, now):
        if obstacle:
            return TriggerVerdict(False, f"{reason}; {obstacle}", blocker, since, numbers)
    return TriggerVerdict(True, reason, None, since, numbers)


def backtest(
    trigger: Trigger,
    signals: Sequence[FeedbackSignal],
    *,
    start: datetime,
    end: datetime,
    share: float = 1.0,
    answers: Sequence[AnswerRecord] = (),
    step: timedelta | None = None,
) -> list[Firing]:
    """The firings that a trigger would have had over past feedback, evaluated every `step`."""
    live = trigger.model_copy(update={"mode": "live", "approval": None})
    ordered = sorted(signals, key=lambda signal: signal.arrived)
    arrivals = [signal.arrived for signal in ordered]
    pause = step or max((end - start) / 1000, timedelta(seconds=30))
    state, used_count, firings = TriggerState(first_evaluated=start, share=share), 0, list[Firing]()
    now = start
    while now <= end:
        arrived_count = bisect_right(arrivals, now)
        past_answers = tuple(a for a in answers if a.time <= now)
        decision = evaluate(
            live,
            replace(state, signals=ordered[used_count:arrived_count], answers=past_answers),
            now,
        )
        state = replace(state, held_since=decision.held_since)
        if decision.fires:
            firings.append(Firing(now, decision.reason, arrived_count - used_count))
            state, used_count = (
                replace(state, firings=[*state.firings, now], held_since=None),
                arrived_count,
            )
        now += pause
    return firings


def _conditions(trigger: Trigger, state: TriggerState, now: datetime) -> list[ConditionResult]:
    return [
        condition.catalog.load(condition.type).holds(condition.options, state, now)
        for condition in trigger.when.any or trigger.when.all
    ]


def _hold(trigger: Trigger, results: Sequence[ConditionResult]) -> bool:
    return (any if trigger.when.any else all)(result.holds for result in results)


def _holding_since(
    trigger: Trigger, results: Sequence[ConditionResult], earlier_start: datetime | None
) -> datetime | None:
    moments = [result.held_since for result in results if result.holds and result.held_since]
    earlier = [earlier_start] if earlier_start else []
    first = (min if trigger.when.any else max)(moments, default=None)
    return min([*earlier, *([first] if first else [])], default=None)


def _obstacles(
    trigger: Trigger, state: TriggerState, since: datetime | None, now: datetime
) -> Iterator[tuple[Blocker, str]]:
    yield "under-way", state.under_way
    yield "debounce", _debounce_reason(trigger, state, since, now)
    yield "cooldown", _cooldown_reason(trigger, state, now)
    yield "daily-limit", _daily_limit_reason(trigger, state, now)
    yield "paused", "the trigger is paused" if trigger.mode == "paused" else ""
    yield "approval", _approval_reason(trigger, state)


def _debounce_reason(
    trigger: Trigger, state: TriggerState, since: datetime | None, now: datetime
) -> str:
    last = max((signal.arrived for signal in state.signals), default=None)
    quiet, longest = trigger.debounce.quiet, trigger.debounce.max_wait
    if last is None or now - last >= quiet or (since and now - since >= longest):
        return ""
    return f"waiting for {_span(quiet - (now - last))} of quiet"


def _cooldown_reason(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    last = state.last_fired
    if last is None or now - last >= trigger.cooldown:
        return ""
    return f"cooldown: {_span(trigger.cooldown - (now - last))} left"


def _daily_limit_reason(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    recent = [moment for moment in state.firings if now - moment < DAY]
    if len(recent) < trigger.daily_limit:
        return ""
    return f"daily limit reached: {len(recent)} firings in 24 hours"


def _approval_reason(trigger: Trigger, state: TriggerState) -> str:
    if trigger.approval is None:
        return ""
    approvers = " or ".join(trigger.approval.by) or "a person"
    requested = (
        f" (requested at {state.approval_asked_at:%Y-%m-%d %H:%M} UTC)"
        if state.approval_asked_at
        else ""
    )
    return f"needs approval by {approvers}{requested}"


def _join_reasons(trigger: Trigger, results: Sequence[ConditionResult]) -> str:
    if trigger.when.any:
        met = " and ".join(result.reason for result in results if result.holds)
        return met or "; ".join(result.reason for result in results)
    missing = [result.reason for result in results if not result.holds]
    return " and ".join(missing or [result.reason for result in results])


def _numbers(trigger: Trigger, results: Sequence[ConditionResult]) -> dict[str, dict[str, object]]:
    conditions = trigger.when.any or trigger.when.all
    return {
        f"{index}:{condition.type}": {"holds": result.holds, **result.numbers}
        for index, (condition, result) in enumerate(zip(conditions, results, strict=True))
    }


def _span(length: timedelta) -> str:
    seconds = max(0, round(length.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
