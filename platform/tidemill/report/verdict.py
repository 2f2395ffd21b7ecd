"""The verdict on a release in one sentence: its gates, its headline number, where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.release_facts import Story

Tone = Literal["good", "bad", "open"]
_STANDS = {
    "requested": "waits for its rollout to begin",
    "superseded": "gave way to a newer release before it was live",
    "ended": "ended its rollout without becoming live",
}


@dataclass(frozen=True)
class Verdict:
    """What to think of a release."""

    sentence: str
    tone: Tone


def verdict(story: Story) -> Verdict:
    """One sentence, and whether it is good news, bad news, or not decided yet."""
    failed = [gate for gate in story.gates if not gate.passed and gate.blocking]
    stands, tone = _stands(story)
    if failed:
        missed = formatting.counted(len(failed), "gate")
        return Verdict(f"Missed {missed} of {len(story.gates)}: {failed[0].message}.", "bad")
    gates = len(story.gates)
    passed = f"Passed {'its gate' if gates == 1 else f'all {gates} gates'}" if gates else "No gates"
    return Verdict(f"{passed}{_headline(story)}{_gain(story)}; {stands}.", tone)


def headline(story: Story) -> Measure | None:
    """The first measure of quality over all rows: the metric the evaluation names first."""
    over_all = [one for one in story.measures if not one.slice]
    quality = [one for one in over_all if formatting.judges_quality(one.metric)]
    return next((one for one in quality or over_all if formatting.finite(one.value)), None)


def gain_of(story: Story, metric: str) -> Measure | None:
    """The gain of a metric over all rows; None without a baseline."""
    found = (one for one in story.gains if one.metric == metric and not one.slice)
    return next((one for one in found if formatting.finite(one.value)), None)


def _headline(story: Story) -> str:
    one = headline(story)
    if one is None:
        return ""
    rows = formatting.counted(one.rows, "test row")
    return f" with {formatting.metric_name(one.metric)} {formatting.with_interval(one)} on {rows}"


def _gain(story: Story) -> str:
    """Said only as far as the interval goes: a gain whose interval holds 0 is no gain."""
    one = headline(story)
    gain = gain_of(story, one.metric) if one else None
    if gain is None or not formatting.finite(gain.low) or not formatting.finite(gain.high):
        return ""
    if gain.low > 0:
        return f", better than its baseline by {formatting.with_interval(gain)}"
    if gain.high < 0:
        worse = replace(gain, value=-gain.value, low=-gain.high, high=-gain.low)
        return f", worse than its baseline by {formatting.with_interval(worse)}"
    return ", no clear difference to its baseline"


def _stands(story: Story) -> tuple[str, Tone]:
    walk = story.rollout
    if walk is None:
        return "no rollout has been asked for", "open"
    state, since = walk["state"], formatting.when(walk.get("finished_at"))
    if state == "live":
        return f"live since {since}" if since else "live", "good"
    if state == "retired":
        return f"was live until {since}", "good"
    if state == "rolled_back":
        return f"rolled back on {since}: {walk['reason']}", "bad"
    if state == "failed":
        return f"its rollout failed: {walk['reason']}", "bad"
    if state == "running":
        waits = ", waiting for a person" if walk.get("awaits_person") else ""
        return f"meeting its users at {walk['percent']:g} %{waits}", "open"
    return _STANDS.get(state, str(state)), "open"
