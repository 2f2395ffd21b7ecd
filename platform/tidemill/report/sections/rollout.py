"""How the release met its users: every decision, and what it was taken on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import Story
from tidemill.report.template import html

TITLE = "Rollout"
ORDER = 110
_STATES = {"rolled_back": "rolled back", "requested": "asked for", "running": "under way"}


def render(story: Story) -> Markup:
    """The decisions of the newest rollout in their order."""
    walk = story.rollout
    state = _STATES.get(str(walk["state"]), str(walk["state"])) if walk else ""
    return html(
        "sections/rollout.html.j2",
        walk=walk,
        state=state,
        steps=[_step(one) for one in story.steps],
        approved=story.release.approved_by,
    )


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    share = float(step["percent"]) / 100
    plot = strip.bar(f"{step['percent']:g} % of the traffic", share, tone="accent")
    health = (step.get("numbers") or {}).get("health") or {}
    return {**step, "plot": plot, "arms": [_arm(n, one) for n, one in health.items()]}


def _arm(name: str, one: Mapping[str, Any]) -> str:
    said = [formatting.counted(one.get("requests") or 0, "request")]
    if formatting.finite(one.get("error_rate")):
        said.append(f"{formatting.percent(one['error_rate'])} errors")
    if formatting.finite(one.get("latency_p95")):
        said.append(f"p95 {formatting.seconds(one['latency_p95'])}")
    return f"{name}: {', '.join(said)}"
