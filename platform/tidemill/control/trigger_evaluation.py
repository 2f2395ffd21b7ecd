"""Look at a trigger: read its state, decide, and keep what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from tidemill.control.lifecycle_events import announce
from tidemill.control.service_turns import other_turns
from tidemill.control.spec_changes import newest_unbuilt_change
from tidemill.engine.trigger import TriggerVerdict, evaluate
from tidemill.engine.turns import OtherTurns
from tidemill.home import Home
from tidemill.ports import TriggerLedger
from tidemill.records import TriggerDecision
from tidemill.spec.dataset import Dataset
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import Project
from tidemill.spec.trigger import Trigger
from tidemill.triggers import AnswerRecord, FeedbackSignal, TriggerState

_ALONE = OtherTurns()


@dataclass(frozen=True)
class Reaction:
    """What a look came to."""

    decision: TriggerVerdict
    recorded: TriggerDecision | None = None
    """The firing, or the question to a person, that this look added to the ledger."""


def state_of(
    ledger: TriggerLedger,
    project: str,
    trigger: Trigger,
    stream: Feedback | None,
    now: datetime,
    *,
    changed: datetime | None = None,
    consent_required: bool = False,
    others: OtherTurns = _ALONE,
) -> TriggerState:
    """Everything the conditions may look at, from the ledger.

    `stream` is the Feedback spec that the trigger is `of`; `changed` the newest commit to a spec
    it runs that is not built yet; `consent_required` is true where a dataset leaves out feedback
    without consent; `others` are the turns that somebody else gave the same service.
    """
    past = ledger.trigger_decisions.history(project, trigger.name)
    look = ledger.trigger_decisions.last_evaluation(project, trigger.name)
    fired = [d.decided_at for d in reversed(past) if d.state not in ("needs_approval", "refused")]
    asked_at = [d.decided_at for d in past if d.state == "needs_approval"]
    return TriggerState(
        signals=_signals(ledger, stream, past, others),
        firings=fired,
        first_evaluated=look.first_at if look else now,
        share=stream.max_weight_per_subject if stream else 1.0,
        spec_changed_at=changed,
        live_release=_live_release(ledger, stream),
        under_way=_under_way(ledger, past, stream) or others.under_way,
        last_turn=others.last_turn,
        consent_required=consent_required,
        answers=_answers(ledger, trigger, stream, now),
        held_since=look.verdict.held_since if look else None,
        approval_asked_at=asked_at[0] if asked_at else None,
    )


def react(
    ledger: TriggerLedger,
    project: str,
    trigger: Trigger,
    stream: Feedback | None,
    now: datetime,
    *,
    changed: datetime | None = None,
    consent_required: bool = False,
    others: OtherTurns = _ALONE,
) -> Reaction:
    """One look of the sensor; a firing is kept with its frozen offsets before anything starts.

    What was kept as `queued` and has no run yet is in `queued_decisions`, so that a daemon
    that died between decision and start loses nothing.
    """
    # Frozen first: feedback that joins while we look belongs to the next firing, not to none.
    frozen = ledger.feedback.frozen_offsets(stream.topic) if stream else {}
    state = state_of(
        ledger, project, trigger, stream, now,
        changed=changed, consent_required=consent_required, others=others,
    )  # fmt: skip
    decision = evaluate(trigger, state, now)
    recorded = None
    if decision.fires or (decision.blocked_by == "approval" and state.approval_asked_at is None):
        add = ledger.trigger_decisions.add
        recorded = add(project, trigger.name, decision, frozen, trigger.run, now)
    ledger.trigger_decisions.record_evaluation(project, trigger.name, decision, now)
    return Reaction(decision, recorded)


class _Circumstances(TypedDict):
    """What an evaluation takes of a trigger's project."""

    stream: Feedback | None
    changed: datetime | None
    consent_required: bool
    others: OtherTurns


def _circumstances(home: Home, project: Project, trigger: Trigger, now: datetime) -> _Circumstances:
    stream = project.spec(trigger.of, Feedback) if trigger.of else None
    return {
        "stream": stream,
        "changed": newest_unbuilt_change(home.builder(project.name), trigger),
        "consent_required": requires_consent(project, stream),
        "others": other_turns(home, project, trigger, now),
    }


def explain(home: Home, project: Project, trigger: Trigger, now: datetime) -> TriggerVerdict:
    """What an evaluation would decide now; starts and records nothing."""
    given = _circumstances(home, project, trigger, now)
    return evaluate(trigger, state_of(home.ledger, project.name, trigger, now=now, **given), now)


def evaluate_and_report(home: Home, project: Project, trigger: Trigger, now: datetime) -> str:
    """Evaluate one trigger, publish a firing or a question to a person, and give the result as a
    sentence."""
    given = _circumstances(home, project, trigger, now)
    reaction = react(home.ledger, project.name, trigger, now=now, **given)
    decision = reaction.decision
    if reaction.recorded:
        announce(
            home,
            "trigger-decided",
            project.name,
            trigger.name,
            key=f"decision/{reaction.recorded.key}",
            reason=decision.reason,
            state=reaction.recorded.state,
            numbers=dict(decision.numbers),
        )
    return f"{trigger.name}: {decision.reason}"


def requires_consent(project: Project, stream: Feedback | None) -> bool:
    """True where every dataset that reads the stream leaves out feedback without consent."""
    readers = [
        loaded.spec
        for loaded in project.specs.values()
        if isinstance(loaded.spec, Dataset)
        and stream is not None
        and any(s.type == "feedback" and s.of == stream.name for s in loaded.spec.sources)
    ]
    return bool(readers) and all(dataset.privacy.require_consent for dataset in readers)


def _live_release(ledger: TriggerLedger, stream: Feedback | None) -> str | None:
    live = ledger.rollouts.live_rollout(stream.service) if stream else None
    return live.release if live else None


def _under_way(
    ledger: TriggerLedger, past: Sequence[TriggerDecision], stream: Feedback | None
) -> str:
    """What a former firing is still doing: what comes meanwhile makes one more turn afterwards."""
    if past and past[0].state in ("queued", "started"):
        return f"its run of {past[0].decided_at:%Y-%m-%d %H:%M} UTC is still under way"
    for rollout in ledger.rollouts.in_progress(stream.service) if stream else ():
        return f"release {rollout.release[7:19]} of '{rollout.service}' is being rolled out"
    return ""


def _signals(
    ledger: TriggerLedger,
    stream: Feedback | None,
    past: Sequence[TriggerDecision],
    others: OtherTurns,
) -> Sequence[FeedbackSignal]:
    """Feedback that neither the newest decision nor a turn that built the same includes."""
    if stream is None:
        return ()
    used = others.used_offsets(stream.topic, past[0].offsets if past else None)
    return ledger.feedback.signals(stream.topic, used)


def _answers(
    ledger: TriggerLedger, trigger: Trigger, stream: Feedback | None, now: datetime
) -> Sequence[AnswerRecord]:
    """Only conditions that look at answers, such as drift, make the ledger read them."""
    back = [
        condition.options.window + condition.options.reference
        for condition in (*trigger.when.any, *trigger.when.all)
        if condition.type == "drift"
    ]
    if not back or stream is None:
        return []
    return ledger.service_metrics.answers(stream.service, now - max(back, default=timedelta()))
