"""The time has come: every so often, or at a time of day (UTC)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill.spec.base import Duration, Frozen
from tidemill.triggers import ConditionResult, TriggerState

VERSION = 1

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Options(Frozen):
    """Exactly one of `every` and `at`."""

    every: Duration | None = None
    """Time since the last firing; `1d`."""
    at: str | None = Field(default=None, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Time of day in UTC; `03:00`."""
    days: tuple[Day, ...] = _DAYS
    """Days of the week for `at`."""

    @model_validator(mode="after")
    def _check_one_schedule(self) -> Self:
        if (self.every is None) == (self.at is None):
            raise ValueError("a schedule has exactly one of `every` and `at`")
        if self.every is not None and self.every < timedelta(minutes=1):
            raise ValueError("`every` is at least 1m")
        if not self.days:
            raise ValueError("`days` names no day")
        return self


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:
    """Due when a scheduled moment passed since the last firing, or since the trigger began."""
    since = state.last_fired or state.first_evaluated or now
    due = since + options.every if options.every else _next(options, since)
    numbers = {"due": due.isoformat()}
    if due > now:
        return ConditionResult(False, f"next at {due:%Y-%m-%d %H:%M} UTC", None, numbers)
    return ConditionResult(True, f"due since {due:%Y-%m-%d %H:%M} UTC", due, numbers)


def _next(options: Options, after: datetime) -> datetime:
    assert options.at is not None
    at = time.fromisoformat(options.at)
    days = (after.date() + timedelta(days=day) for day in range(8))
    moments = (datetime.combine(day, at, after.tzinfo) for day in days)
    return next(m for m in moments if m > after and _DAYS[m.weekday()] in options.days)
