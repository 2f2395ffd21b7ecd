"""How the release met its users: every decision, and what it was taken on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Rollout"
ORDER = 110
_STATES = {"rolled_back": "rolled back", "requested": "asked for", "running": "under way"}


def render(story: ReleaseFacts) -> Markup:
    """The decisions of the newest rollout in their order."""
    rollout = story.rollout
    state = _STATES.get(str(rollout["state"]), str(rollout["state"])) if rollout else ""
    return html(
        "sections/rollout.html.j2",
        walk=rollout,
        state=state,
        steps=[_step(step) for step in story.rollout_decisions],
        approved=story.release.approved_by,
    )


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    share = float(step["percent"]) / 100
    plot = strip.bar(f"{step['percent']:g} % of the traffic", share, tone="accent")
    health = (step.get("numbers") or {}).get("health") or {}
    return {**step, "plot": plot, "arms": [_arm(n, arm) for n, arm in health.items()]}


def _arm(name: str, health: Mapping[str, Any]) -> str:
    parts = [formatting.format_count(health.get("requests") or 0, "request")]
    if formatting.is_finite(health.get("error_rate")):
        parts.append(f"{formatting.percent(health['error_rate'])} errors")
    if formatting.is_finite(health.get("latency_p95")):
        parts.append(f"p95 {formatting.seconds(health['latency_p95'])}")
    return f"{name}: {', '.join(parts)}"
