"""The rules of a look at a rollout, in order: the first that answers decides.

A stopped rollout, a mode that needs a live release, broken guardrails, ratings that show harm, an
unfinished step, missing data, ratings that exclude no harm or decide nothing, a missing approval.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tidemill.amounts import format_seconds
from tidemill.engine.evidence_rules import Decision as Decision
from tidemill.engine.evidence_rules import (
    Finding,
    describe_ratings,
    differs_from_live,
    harm_not_excluded,
    ratings_undecided,
)
from tidemill.engine.first_release import missing_baseline

if TYPE_CHECKING:
    from tidemill.engine.rollout import Scene

_THEN = {
    "judge_others": "the other signals decide",
    "roll_back": "the candidate is rolled back",
    "hold": "a person decides",
}
"""What follows where data is missing for too long, by the spec's `on_no_data.then`."""


def _not_running(scene: Scene) -> Finding:
    status = scene.state.status
    if status == "paused":
        return "hold", "paused by a person; resume it with `tidemill rollout promote`"
    active = status in ("running", "watched")
    return None if active else ("done", f"this rollout is over: {status}")


def _no_baseline(scene: Scene) -> Finding:
    reason = missing_baseline(scene.rollout) if scene.state.live is None else None
    return ("hold", reason) if reason else None


def _accepted_by_user(scene: Scene) -> Finding:
    """A person who agrees to a release that is live already ends its watch."""
    if not scene.is_watched or not scene.is_approved_in_step:
        return None
    return "done", f"accepted by {scene.state.approved_by}; it is watched no longer"


def _guardrail_breached(scene: Scene) -> Finding:
    breaches = "; ".join(str(reading) for reading in scene.readings if reading.broken)
    if not breaches:
        return None
    if scene.state.live is None:
        return "ask", (
            f"{breaches}; there is no other release to go back to: run a better one, or accept "
            f"this one with `tidemill rollout promote {scene.rollout.service}`"
        )
    return "roll_back", breaches


def _strike(scene: Scene) -> Finding:
    beyond = [r for r in scene.readings if r.outcome == "beyond"]
    return ("hold", f"{beyond[0]} (look {beyond[0].strikes})") if beyond else None


def _sample_ratio_mismatch(scene: Scene) -> Finding:
    if scene.comparison is None or scene.split.sound or scene.is_approved_in_step:
        return None
    split = scene.split
    return "ask", (
        f"the split is wrong, so ratings cannot be trusted: the candidate was to get "
        f"{split.expected:.1%} of the subjects and got {split.observed:.1%} (p = {split.p:.1e})"
    )


def _harmful(scene: Scene) -> Finding:
    comparison = scene.comparison
    if comparison is None or comparison.finding != "harm" or not scene.split.sound:
        return None
    other = "release before" if scene.is_watched else "live release"
    return (
        "roll_back",
        f"users rate it worse than the {other}: {describe_ratings(comparison)}",
    )


def _unfinished(scene: Scene) -> Finding:
    if scene.state.step < 0:
        return None
    remaining = (scene.hold - (scene.now - scene.state.step_started)).total_seconds()
    if remaining <= 0:
        return None
    part = "the watch" if scene.is_watched else "this step"
    return "hold", f"{format_seconds(ceil(remaining))} of {part} are left"


def _no_data(scene: Scene) -> Finding:
    """What is missing is waited for, and after its time the spec decides."""
    if not scene.missing:
        return None
    rule, missing = scene.rollout.on_no_data, "; ".join(scene.missing)
    if scene.is_watched:
        return "hold", f"the watch ends once there is data: {scene.missing[0]}"
    if not scene.waited_long_enough:
        until = f"{scene.state.since + rule.after:%Y-%m-%d %H:%M:%S} UTC"
        return "hold", f"waits for data until {until}, then {_THEN[rule.then]}: {scene.missing[0]}"
    if scene.refused:
        return "roll_back", f"the candidate refused all of its {scene.refused} requests as overload"
    late = f"no data after {format_seconds(rule.after.total_seconds())}: {missing}"
    if rule.then == "roll_back":
        return "roll_back", late
    if rule.then == "hold" and not scene.is_approved_in_step:
        way_out = f"go on without it by `tidemill rollout promote {scene.rollout.service}`"
        return "hold", f"{late}; {way_out}"
    return None


def _unclear(scene: Scene) -> Finding:
    """A limit that is exceeded by the value alone is looked into for a time, in a watch for good:
    it ends with the watch."""
    if scene.is_watched or scene.now - scene.state.step_started >= scene.longest_doubt:
        return None
    unclear = [reading for reading in scene.readings if reading.outcome == "unclear"]
    return ("hold", str(unclear[0])) if unclear else None


def _unapproved(scene: Scene) -> Finding:
    approval = scene.rollout.approval
    if approval is None or scene.state.approved_by is not None:
        return None
    beyond = scene.onwards().percent
    limit = approval.before_percent or 0
    if beyond <= limit:
        return None
    people = " or ".join(approval.by) or "somebody"
    if scene.state.live is None:
        return "ask", f"{people} has to approve the first release before it gets traffic"
    return "ask", f"{people} has to approve before traffic goes beyond {limit} % (next: {beyond} %)"


RULES = (
    _not_running,
    _no_baseline,
    _accepted_by_user,
    _guardrail_breached,
    _strike,
    _sample_ratio_mismatch,
    _harmful,
    _unfinished,
    _no_data,
    _unclear,
    differs_from_live,
    harm_not_excluded,
    ratings_undecided,
    _unapproved,
)
STALLING_RULES = (_no_baseline, _no_data)
"""Rules whose hold, once it has lasted as long as `on_no_data.after`, does not end by itself."""
