"""How the release met its users: every decision, and what it was taken on."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from tidemill.records import RolloutDecisionRecord
from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.release_traffic import ReleaseTraffic, release_traffic
from tidemill.report.shadow_answers import shadow_sentence
from tidemill.report.template import html

TITLE = "Rollout"
ORDER = 110
_STATES = {"rolled_back": "rolled back", "requested": "asked for", "running": "under way"}


def render(story: ReleaseFacts) -> Markup:
    """The decisions of the newest rollout in their order."""
    rollout = story.rollout
    state = _STATES.get(rollout.state, rollout.state) if rollout else ""
    return html(
        "sections/rollout.html.j2",
        rollout=rollout,
        state=state,
        rows=[_row(decision) for decision in story.rollout_decisions],
        approved=story.release.approved_by,
    )


@dataclass(frozen=True)
class Row:
    """One decision as the page shows it."""

    decision: RolloutDecisionRecord
    plot: Markup
    traffic: list[str]
    """What each release did, in words."""


def _row(decision: RolloutDecisionRecord) -> Row:
    percent = decision.percent
    plot = strip.bar(f"{percent:g} % of the traffic", percent / 100, tone="accent")
    traffic = [_traffic(release) for release in release_traffic(decision)]
    sentence = shadow_sentence(decision)
    return Row(decision, plot, [*traffic, sentence] if sentence else traffic)


def _traffic(release: ReleaseTraffic) -> str:
    parts = [formatting.format_count(release.requests, "request")]
    if formatting.is_finite(release.error_rate):
        parts.append(f"{formatting.percent(release.error_rate)} errors")
    if formatting.is_finite(release.latency_p95):
        parts.append(f"p95 {formatting.seconds(release.latency_p95)}")
    return f"{release.name}: {', '.join(parts)}"
