"""Clocks: the system's, and one that stands still until told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's time in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


class SetClock:
    """A clock that moves only when told; for tests and backtests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self._now += by
