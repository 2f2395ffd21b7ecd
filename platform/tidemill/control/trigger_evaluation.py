"""Look at a trigger: read its state, decide, and keep what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.adapters.ledger.decisions import Decided, DecisionLedger
from tidemill.adapters.ledger.events import EventLedger
from tidemill.engine.trigger import Decision, decide
from tidemill.spec.feedback import Feedback
from tidemill.spec.trigger import Trigger
from tidemill.triggers import AnswerRecord, TriggerState


@dataclass(frozen=True)
class Reaction:
    """What a look came to."""

    decision: Decision
    kept: Decided | None = None
    """The firing, or the question to a person, that this look added to the ledger."""


def state_of(
    events: EventLedger,
    decisions: DecisionLedger,
    project: str,
    trigger: Trigger,
    stream: Feedback | None,
    now: datetime,
    *,
    changed: datetime | None = None,
) -> TriggerState:
    """Everything the conditions may look at, from the ledger.

    `stream` is the Feedback spec that the trigger is `of`; `changed` the newest commit to a spec
    it runs that is not built yet.
    """
    past = decisions.history(project, trigger.name)
    look = decisions.look(project, trigger.name)
    fired = [d.at for d in reversed(past) if d.state not in ("asked", "refused")]
    asked = [d.at for d in past if d.state == "asked"]
    return TriggerState(
        signals=events.signals(stream.topic, past[0].offsets if past else None) if stream else (),
        firings=fired,
        first_evaluated=look.start if look else now,
        share=stream.max_weight_per_subject if stream else 1.0,
        spec_changed_at=changed,
        answers=_answers(events, trigger, stream, now),
        held_since=look.decision.held_since if look else None,
        approval_asked_at=asked[0] if asked else None,
    )


def react(
    events: EventLedger,
    decisions: DecisionLedger,
    project: str,
    trigger: Trigger,
    stream: Feedback | None,
    now: datetime,
    *,
    changed: datetime | None = None,
) -> Reaction:
    """One look of the sensor; a firing is kept with its frozen offsets before anything starts.

    What was kept as `decided` and has no run yet is in `DecisionLedger.pending`, so that a daemon
    that died between decision and start loses nothing.
    """
    # Frozen first: feedback that joins while we look belongs to the next firing, not to none.
    frozen = events.freeze(stream.topic) if stream else {}
    state = state_of(events, decisions, project, trigger, stream, now, changed=changed)
    decision = decide(trigger, state, now)
    kept = None
    if decision.fire or (decision.blocked_by == "approval" and state.approval_asked_at is None):
        kept = decisions.add(project, trigger.name, decision, frozen, trigger.run, now)
    decisions.note(project, trigger.name, decision, now)
    return Reaction(decision, kept)


def _answers(
    events: EventLedger, trigger: Trigger, stream: Feedback | None, now: datetime
) -> list[AnswerRecord]:
    """Only conditions that look at answers, such as drift, make the ledger read them."""
    back = [
        condition.options.window + condition.options.reference
        for condition in (*trigger.when.any, *trigger.when.all)
        if condition.type == "drift"
    ]
    if not back or stream is None:
        return []
    return events.answers(stream.service, now - max(back, default=timedelta()))
