"""Whether a trigger fires now, and why or why not: pure, so the past can be replayed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from tidemill.triggers import AnswerRecord, ConditionResult, FeedbackSignal, TriggerState

if TYPE_CHECKING:
    from tidemill.spec.trigger import Trigger

Blocker = Literal["conditions", "debounce", "cooldown", "daily-limit", "paused", "approval"]
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Decision:
    """The outcome of one look at a trigger, with what it was taken on."""

    fire: bool
    reason: str
    blocked_by: Blocker | None = None
    """What stood in the way; None where it fires."""
    held_since: datetime | None = None
    """Since when the conditions hold; the next look's state carries it on."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Per condition what was counted, JSON-able."""


@dataclass(frozen=True)
class Firing:
    """One firing of a backtest."""

    at: datetime
    reason: str
    signals: int
    """Feedback it would have taken up."""


def decide(trigger: Trigger, state: TriggerState, now: datetime) -> Decision:
    """Fire where the conditions hold and nothing stands in the way.

    Never two firings within `cooldown`, never more than `daily_limit` in 24 hours; a burst is
    waited for at most `max_wait` after the conditions first held.
    """
    held = _conditions(trigger, state, now)
    numbers = _numbers(trigger, held)
    reason = _joined(trigger, held)
    if not _hold(trigger, held):
        return Decision(False, reason, "conditions", None, numbers)
    since = _since(trigger, held, state.held_since)
    for blocker, why in _obstacles(trigger, state, since, now):
        if why:
            return Decision(False, f"{reason}; {why}", blocker, since, numbers)
    return Decision(True, reason, None, since, numbers)


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
    """The firings of a trigger over past feedback, had it looked every `step`."""
    live = trigger.model_copy(update={"mode": "live", "approval": None})
    ordered = sorted(signals, key=lambda signal: signal.arrived)
    arrivals = [signal.arrived for signal in ordered]
    pause = step or max((end - start) / 1000, timedelta(seconds=30))
    state, used, firings = TriggerState(first_evaluated=start, share=share), 0, list[Firing]()
    now = start
    while now <= end:
        came = bisect_right(arrivals, now)
        seen = tuple(a for a in answers if a.time <= now)
        decision = decide(live, replace(state, signals=ordered[used:came], answers=seen), now)
        state = replace(state, held_since=decision.held_since)
        if decision.fire:
            firings.append(Firing(now, decision.reason, came - used))
            state, used = replace(state, firings=[*state.firings, now], held_since=None), came
        now += pause
    return firings


def _conditions(trigger: Trigger, state: TriggerState, now: datetime) -> list[ConditionResult]:
    return [
        condition.catalog.load(condition.type).holds(condition.options, state, now)
        for condition in trigger.when.any or trigger.when.all
    ]


def _hold(trigger: Trigger, held: Sequence[ConditionResult]) -> bool:
    return (any if trigger.when.any else all)(h.holds for h in held)


def _since(
    trigger: Trigger, held: Sequence[ConditionResult], before: datetime | None
) -> datetime | None:
    moments = [h.held_since for h in held if h.holds and h.held_since]
    known = [before] if before else []
    first = (min if trigger.when.any else max)(moments, default=None)
    return min([*known, *([first] if first else [])], default=None)


def _obstacles(
    trigger: Trigger, state: TriggerState, since: datetime | None, now: datetime
) -> Iterator[tuple[Blocker, str]]:
    yield "debounce", _burst(trigger, state, since, now)
    yield "cooldown", _cooling(trigger, state, now)
    yield "daily-limit", _spent(trigger, state, now)
    yield "paused", "the trigger is paused" if trigger.mode == "paused" else ""
    yield "approval", _unapproved(trigger, state)


def _burst(trigger: Trigger, state: TriggerState, since: datetime | None, now: datetime) -> str:
    last = max((signal.arrived for signal in state.signals), default=None)
    quiet, longest = trigger.debounce.quiet, trigger.debounce.max_wait
    if last is None or now - last >= quiet or (since and now - since >= longest):
        return ""
    return f"a burst goes on: {_span(now - last)} of {_span(quiet)} quiet"


def _cooling(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    last = state.last_fired
    if last is None or now - last >= trigger.cooldown:
        return ""
    return f"it cools down for another {_span(trigger.cooldown - (now - last))}"


def _spent(trigger: Trigger, state: TriggerState, now: datetime) -> str:
    recent = [moment for moment in state.firings if now - moment < DAY]
    if len(recent) < trigger.daily_limit:
        return ""
    return f"it fired {len(recent)} times in 24 hours, its daily limit"


def _unapproved(trigger: Trigger, state: TriggerState) -> str:
    if trigger.approval is None:
        return ""
    who = " or ".join(trigger.approval.by) or "a person"
    asked = (
        f" (asked at {state.approval_asked_at:%Y-%m-%d %H:%M} UTC)"
        if state.approval_asked_at
        else ""
    )
    return f"{who} has to approve{asked}"


def _joined(trigger: Trigger, held: Sequence[ConditionResult]) -> str:
    if trigger.when.any:
        met = [h.reason for h in held if h.holds]
        return " and ".join(met or [h.reason for h in held])
    missing = [h.reason for h in held if not h.holds]
    return " and ".join(missing or [h.reason for h in held])


def _numbers(trigger: Trigger, held: Sequence[ConditionResult]) -> dict[str, Any]:
    conditions = trigger.when.any or trigger.when.all
    return {
        f"{index}:{condition.type}": {"holds": h.holds, **h.numbers}
        for index, (condition, h) in enumerate(zip(conditions, held, strict=True))
    }


def _span(length: timedelta) -> str:
    seconds = max(0, round(length.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
