"""When to stop waiting: not after so many seconds, but when nothing has moved for so many.

A machine ten times slower takes ten times longer and still moves; a process that hangs does not.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

BUSY = 0.08
"""Share of one core that counts as work: idle services of ours take up to 0.06 of one (measured: an
idle Dagster daemon), and one of nine busy processes on one core gets 0.11."""


@dataclass(frozen=True)
class Signs:
    """What is seen of something at one moment."""

    marks: Hashable = None
    """Anything that is another value once there was progress: records, steps, bytes read."""
    work: float = 0.0
    """Processor seconds of the processes that do the work, so far."""


@dataclass(frozen=True)
class Standstill:
    """A stretch of time without progress so far."""

    since: float
    """When it began, in seconds of any clock that only goes on."""
    signs: Signs
    limit: float
    """Seconds without progress after which waiting ends."""

    def look(self, signs: Signs, now: float) -> Standstill:
        """The stretch after another look; it begins anew where the marks differ, and at its limit
        where the processes worked in the meantime."""
        if signs.marks != self.signs.marks:
            return Standstill(now, signs, self.limit)
        worked = signs.work - self.signs.work
        if now - self.since >= self.limit and worked >= BUSY * (now - self.since):
            return Standstill(now, signs, self.limit)
        return self

    def over(self, now: float) -> bool:
        """True once nothing has moved for too long."""
        return now - self.since >= self.limit
