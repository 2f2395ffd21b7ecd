"""The verdict on a release in one sentence: its gates, its headline number, where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.comparisons import beaten_by, worse_parts
from tidemill.report.release_facts import ReleaseFacts

Tone = Literal["good", "bad", "open"]
_STANDS = {
    "requested": "rollout not started",
    "superseded": "superseded by a newer release before it was live",
    "ended": "the rollout ended without going live",
}


@dataclass(frozen=True)
class ReleaseVerdict:
    """What to think of a release."""

    sentence: str
    tone: Tone


def verdict(story: ReleaseFacts) -> ReleaseVerdict:
    """One sentence, and whether it is good news, bad news, or not decided yet."""
    failed = [gate for gate in story.gates if not gate.passed and gate.blocking]
    stands, tone = _stands(story)
    if failed:
        missed = formatting.format_count(len(failed), "gate")
        gates = sum(gate.blocking for gate in story.gates)
        return ReleaseVerdict(f"Missed {missed} of {gates}: {failed[0].message}.", "bad")
    gates = sum(gate.blocking for gate in story.gates)
    passed = f"Passed {'its gate' if gates == 1 else f'all {gates} gates'}" if gates else "No gates"
    about = f"{_headline(story)}{_gain(story)}{_warnings(story)}"
    return ReleaseVerdict(f"{passed}{about}; {stands}.", tone)


def headline(story: ReleaseFacts) -> Measure | None:
    """The first measure of quality over all rows: the metric the evaluation names first."""
    over_all = [measure for measure in story.measures if not measure.slice]
    quality = [measure for measure in over_all if formatting.measures_quality(measure.metric)]
    return next(
        (measure for measure in quality or over_all if formatting.is_finite(measure.value)), None
    )


def gain_of(story: ReleaseFacts, metric: str) -> Measure | None:
    """The gain of a metric over all rows; None without a baseline."""
    gains = (gain for gain in story.gains if gain.metric == metric and not gain.slice)
    return next((gain for gain in gains if formatting.is_finite(gain.value)), None)


def _headline(story: ReleaseFacts) -> str:
    measure = headline(story)
    if measure is None:
        return ""
    rows = formatting.format_count(measure.rows, "test row")
    name = formatting.metric_name(measure.metric)
    return f" with {name} {formatting.with_interval(measure)} on {rows}"


def _gain(story: ReleaseFacts) -> str:
    """Said only as far as the interval goes: a gain whose interval holds 0 is no gain."""
    measure = headline(story)
    gain = gain_of(story, measure.metric) if measure else None
    if gain is None or not formatting.is_finite(gain.low) or not formatting.is_finite(gain.high):
        return ""
    if gain.low > 0:
        return f", better than its baseline by {formatting.with_interval(gain)}"
    if gain.high < 0:
        worse = replace(gain, value=-gain.value, low=-gain.high, high=-gain.low)
        return f", worse than its baseline by {formatting.with_interval(worse)}"
    return ", no significant difference from its baseline"


def _warnings(story: ReleaseFacts) -> str:
    """What a reader should not miss behind a good number."""
    worse = formatting.join_names(worse_parts(story))
    warnings = [f"worse on {worse}" if worse else "", beaten_by(story)]
    return "".join(f"; {warning}" for warning in warnings if warning)


def _stands(story: ReleaseFacts) -> tuple[str, Tone]:
    rollout = story.rollout
    if rollout is None:
        return "no rollout requested", "open"
    state, since = rollout.state, formatting.format_time(rollout.finished_at)
    if state == "live":
        return f"live since {since}" if since else "live", "good"
    if state == "retired":
        return f"was live until {since}", "good"
    if state == "rolled_back":
        return f"rolled back on {since}: {rollout.reason}", "bad"
    if state == "failed":
        return f"its rollout failed: {rollout.reason}", "bad"
    if state == "running":
        suffix = ", waiting for a person" if rollout.awaits_person else ""
        return f"meeting its users at {rollout.percent:g} %{suffix}", "open"
    return _STANDS.get(state, state), "open"
