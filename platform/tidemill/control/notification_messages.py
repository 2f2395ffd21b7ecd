"""The one place where a lifecycle event becomes a message for people, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidemill.engine.notification import Notification
from tidemill.events import LifecycleEvent, LifecycleKind

_SIGN = "git commit --amend --no-edit --gpg-sign && git push --force-with-lease"
_AFTER_REFUSAL: Mapping[str, str] = {
    "unsigned": _SIGN,
    "broken": "tidemill validate",
    "over-budget": "tidemill plan",
}
"""What helps after a refusal of Git sync, by its kind."""
_CHECKED_BY: Mapping[str, str] = {"Evaluation": "report", "Dataset": "data show"}
"""The verb that shows the rows behind a failed check, by the kind of spec."""


def notification_of(event: LifecycleEvent) -> Notification | None:
    """The message that tells of an event; None for one that nobody has to hear of."""
    write = _WRITERS.get(event.what)
    return write(event) if write else None


def _run_failed(event: LifecycleEvent) -> Notification:
    log = f"\nLog: {_fact(event, 'log')}" if _fact(event, "log") else ""
    return Notification(
        "run-failed",
        f"{event.project}: a run failed at '{event.name}'",
        f"{_reason(event)}\nWhat is live stays.{log}",
        _fact(event, "command") or f"tidemill run {event.project}/{event.name}",
    )


def _run_finished(event: LifecycleEvent) -> Notification:
    outcome = f"\n{_fact(event, 'outcome')}" if _fact(event, "outcome") else ""
    return Notification(
        "run-finished",
        f"{event.project}: the run of {_fact(event, 'cause')} finished",
        f"It was started because: {_reason(event)}\n"
        f"Built or reused: {', '.join(event.facts.get('assets', ()))}{outcome}",
        "tidemill status",
    )


def _checks_failed(event: LifecycleEvent) -> Notification:
    name = f"{event.project}/{event.name}"
    verb = _CHECKED_BY.get(_fact(event, "kind"), "run")
    return Notification(
        "gate-failed",
        f"{name}: the candidate is stopped before the rollout, a check failed",
        f"{_reason(event)}\nWhat is live stays.",
        f"tidemill {verb} {name}",
    )


def _dataset_built(event: LifecycleEvent) -> Notification | None:
    count = int(event.facts.get("contested") or 0)
    if not count:
        return None
    name = f"{event.project}/{event.name}"
    rows = "1 row waits" if count == 1 else f"{count} rows wait"
    return Notification(
        "contested-labels",
        f"{name}: {rows} for a review of the label",
        "People disagree about the label, so this version of the dataset leaves them out of "
        "training and of tests.",
        f"tidemill review {name}",
    )


def _prompt_searched(event: LifecycleEvent) -> Notification | None:
    """A search without a gain proposes nothing: the message of its run says so."""
    if not _fact(event, "pull_request"):
        return None
    return Notification(
        "proposal",
        f"{event.project}/{event.name}: a search found a better prompt",
        f"{_reason(event)}\nPull request: {_fact(event, 'pull_request')}\n"
        "Nothing changes before somebody merges it.",
        _fact(event, "command"),
    )


def _trigger_decided(event: LifecycleEvent) -> Notification | None:
    if _fact(event, "state") != "needs_approval":
        return None
    name = f"{event.project}/{event.name}"
    return Notification(
        "person-needed",
        f"{name}: the trigger waits for a person",
        f"It starts its run once somebody approves: {_reason(event)}",
        f"tidemill approve {name}",
    )


def _step_advanced(event: LifecycleEvent) -> Notification | None:
    if _fact(event, "state") != "live":
        return None
    return Notification("promoted", f"{_release(event)} is live", _reason(event), _status(event))


def _rolled_back(event: LifecycleEvent) -> Notification:
    if not event.facts.get("had_traffic", True):
        subject = f"{_release(event)} was stopped before it got traffic"
        return Notification("candidate-stopped", subject, _reason(event), _status(event))
    return Notification(
        "rolled-back", f"{_release(event)} was rolled back", _reason(event), _status(event)
    )


def _decision_needed(event: LifecycleEvent) -> Notification:
    subject = f"{_release(event)} waits for a person"
    return Notification(
        "person-needed", subject, _reason(event), f"tidemill approve {_service(event)}"
    )


def _rollout_stalled(event: LifecycleEvent) -> Notification:
    subject = f"{_release(event)}: the rollout cannot go on by itself"
    return Notification("stalled", subject, _reason(event), _status(event))


def _commit_refused(event: LifecycleEvent) -> Notification:
    return Notification(
        "commit-refused",
        f"commit {_fact(event, 'commit')[:10]} on {event.name} does not take effect",
        f"{_reason(event)}\nAuthor: {_fact(event, 'author')}\nThe commit before it stays in force.",
        _AFTER_REFUSAL.get(_fact(event, "refusal"), "tidemill status"),
    )


def _service(event: LifecycleEvent) -> str:
    return _fact(event, "service") or event.name


def _release(event: LifecycleEvent) -> str:
    return f"{_service(event)}: release {event.digest.removeprefix('sha256:')[:12]}"


def _reason(event: LifecycleEvent) -> str:
    return _fact(event, "reason")


def _fact(event: LifecycleEvent, name: str) -> str:
    """A fact as text; empty where the event does not have it."""
    value = event.facts.get(name)
    return "" if value is None else str(value)


def _status(event: LifecycleEvent) -> str:
    return f"tidemill rollout status {_service(event)}"


_WRITERS: Mapping[LifecycleKind, Callable[[LifecycleEvent], Notification | None]] = {
    "run-failed": _run_failed,
    "run-finished": _run_finished,
    "checks-failed": _checks_failed,
    "dataset-built": _dataset_built,
    "prompt-searched": _prompt_searched,
    "trigger-decided": _trigger_decided,
    "step-advanced": _step_advanced,
    "rolled-back": _rolled_back,
    "decision-needed": _decision_needed,
    "rollout-stalled": _rollout_stalled,
    "commit-refused": _commit_refused,
}
