"""Values of trigger conditions: feedback signals, answers, the trigger's state, and the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil


@dataclass(frozen=True, slots=True)
class FeedbackSignal:
    """One feedback event that was joined to its answer."""

    kind: str
    arrived: datetime
    """When the ledger received it."""
    time: datetime
    """When the user gave it."""
    subject: str | None = None
    rating: float | None = None
    """Thumbs, scores and outcomes scaled to 0 (bad) .. 1 (good)."""
    release: str | None = None
    """Digest of the release that gave the answer; None where it is unknown."""
    consent: bool = True
    """False where the user did not agree that it is trained on."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer of the service."""

    time: datetime
    label: str | None
    length: int
    """Characters of the input."""


@dataclass(frozen=True)
class TriggerState:
    """Feedback and answers since a trigger last fired; late feedback is excluded."""

    signals: Sequence[FeedbackSignal] = ()
    """Feedback that no firing has used yet, oldest first; the ledger hands out a bounded number."""
    firings: Sequence[datetime] = ()
    """Times of former firings, oldest first."""
    first_evaluated: datetime | None = None
    """When the trigger was first evaluated; a schedule counts from here."""
    share: float = 1.0
    """Largest share one subject may have (the stream's `max_weight_per_subject`)."""
    spec_changed_at: datetime | None = None
    """Newest change of a spec the trigger runs, where it is not built yet."""
    answers: Sequence[AnswerRecord] = ()
    """Answers of the service, oldest first, as far back as conditions look."""
    live_release: str | None = None
    """Digest of the release that serves; ratings of another one say nothing about it."""
    under_way: str = ""
    """Which turn of the service is still under way; empty where none is."""
    last_turn: datetime | None = None
    """The newest turn of another trigger that built everything of this one."""
    consent_required: bool = False
    """True where a dataset that reads the stream leaves out feedback without consent."""
    held_since: datetime | None = None
    """Since when the conditions held at every trigger evaluation; None where they did not."""
    approval_asked_at: datetime | None = None
    """Since when a firing waits for an approval; None where none does."""

    @property
    def consented_signals(self) -> Sequence[FeedbackSignal]:
        """The signals without those that no dataset may take for want of consent; a review needs
        none, since it judges rows of others."""
        if not self.consent_required:
            return self.signals
        return [signal for signal in self.signals if signal.consent or signal.kind == "review"]

    @property
    def last_fired(self) -> datetime | None:
        """The newest firing."""
        return max(self.firings, default=None)


@dataclass(frozen=True)
class ConditionResult:
    """The result of one condition: whether it holds, since when, and the numbers behind it."""

    holds: bool
    reason: str
    held_since: datetime | None = None
    """Start of the time in which it holds; None where it does not hold."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)


def counted_signals(
    signals: Sequence[FeedbackSignal], at_least: int, share: float
) -> list[FeedbackSignal]:
    """The signals that count towards `at_least`: of one subject at most its share, rounded up.

    Anonymous signals count together as one subject: nobody vouches that they are many people.
    """
    most = max(1, ceil(share * at_least))
    counts: Counter[str | None] = Counter()
    counting = []
    for signal in signals:
        counts[signal.subject] += 1
        if counts[signal.subject] <= most:
            counting.append(signal)
    return counting


def at_least_signals(
    signals: Sequence[FeedbackSignal], at_least: int, state: TriggerState, what: str
) -> ConditionResult:
    """Holds since the signal that completed the number arrived; `what` names signals in plural."""
    counting = counted_signals(signals, at_least, state.share)
    cut = f" ({len(signals)} before the limit per subject)" if len(counting) < len(signals) else ""
    numbers = {"counted": len(counting), "given": len(signals), "at_least": at_least}
    if len(counting) < at_least:
        return ConditionResult(False, f"{len(counting)} of {at_least} {what}{cut}", None, numbers)
    reason = f"{len(counting)} of {at_least} {what}{cut}"
    return ConditionResult(True, reason, counting[at_least - 1].arrived, numbers)
