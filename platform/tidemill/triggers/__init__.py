"""What trigger conditions go by: the signals, the answers, the state, and what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil


@dataclass(frozen=True, slots=True)
class Signal:
    """One piece of joined feedback, as conditions see it."""

    kind: str
    arrived: datetime
    """When the ledger took it in."""
    time: datetime
    """When the user gave it."""
    subject: str | None = None
    rating: float | None = None
    """Thumbs, scores and outcomes scaled to 0 (bad) .. 1 (good)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of the service, as conditions see it."""

    time: datetime
    label: str | None
    length: int
    """Characters of the input."""


@dataclass(frozen=True)
class TriggerState:
    """What happened since a trigger last fired; late feedback is left out."""

    signals: Sequence[Signal] = ()
    """Feedback that no firing has used yet, oldest first; the ledger hands out a bounded number."""
    fired: Sequence[datetime] = ()
    """Times of former firings, oldest first."""
    start: datetime | None = None
    """When the trigger was first looked at; a schedule counts from here."""
    share: float = 1.0
    """Largest share one subject may have (the stream's `max_weight_per_subject`)."""
    changed: datetime | None = None
    """Newest change of a spec the trigger runs, where it is not built yet."""
    answers: Sequence[Answered] = ()
    """Answers of the service, oldest first, as far back as conditions look."""
    held_since: datetime | None = None
    """Since when the conditions held at every look; the memory of the last decision."""
    asked: datetime | None = None
    """Since when a firing waits for a person."""

    @property
    def last_fired(self) -> datetime | None:
        """The newest firing."""
        return max(self.fired, default=None)


@dataclass(frozen=True)
class Held:
    """Whether a condition holds, and why."""

    holds: bool
    reason: str
    since: datetime | None = None
    """From when on it held; given where it holds."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)


def counted(signals: Sequence[Signal], at_least: int, share: float) -> list[Signal]:
    """The signals that count towards `at_least`: of one subject at most its share, rounded up.

    Anonymous signals count together as one subject: nobody vouches that they are many people.
    """
    most = max(1, ceil(share * at_least))
    seen: Counter[str | None] = Counter()
    kept = []
    for signal in signals:
        seen[signal.subject] += 1
        if seen[signal.subject] <= most:
            kept.append(signal)
    return kept


def enough(signals: Sequence[Signal], at_least: int, state: TriggerState, what: str) -> Held:
    """Held from the arrival of the signal that made the number full."""
    kept = counted(signals, at_least, state.share)
    cut = f" ({len(signals)} before the limit per subject)" if len(kept) < len(signals) else ""
    numbers = {"counted": len(kept), "given": len(signals), "at_least": at_least}
    if len(kept) < at_least:
        return Held(False, f"{len(kept)} of {at_least} {what}{cut}", None, numbers)
    reason = f"{len(kept)} {what}, at least {at_least} wanted{cut}"
    return Held(True, reason, kept[at_least - 1].arrived, numbers)
