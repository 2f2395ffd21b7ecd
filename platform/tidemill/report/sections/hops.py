"""How alike the answers stayed through each transformation, and how small the model became."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Hop by hop"
ORDER = 40


def render(story: ReleaseFacts) -> Markup:
    """A table for each compression; empty where the weights serve as they were trained."""
    chains = []
    for name, making in story.materialisations_of("Compression").items():
        rules = story.specs.get(name, {}).get("equivalence") or {}
        least = rules.get("min_agreement")
        hops = [_hop(hop, least) for hop in making.facts.get("hops") or ()]
        shared = {"checks": making.checks, "facts": making.facts, "least": least}
        chains.append({"name": name, "hops": hops, **shared})
    return html("sections/hops.html.j2", chains=chains) if chains else Markup("")


def _hop(hop: Mapping[str, Any], least: float | None) -> dict[str, Any]:
    alike = hop.get("agreement")
    lost = [
        f"{formatting.metric_name(key.removesuffix(' lost'))} {_change(value)}"
        for key, value in hop.items()
        if key.endswith(" lost") and formatting.is_finite(value)
    ]
    plot = Markup("")
    if formatting.is_finite(alike):
        tone = "good" if least is None or hop.get("high", alike) >= least else "bad"
        label = f"{hop['step']}: {formatting.percent(alike)} of {_basis(hop)} as before"
        plot = strip.bar(label, alike, mark=least, tone=tone)
    return {**hop, "plot": plot, "lost": ", ".join(lost), "basis": _basis(hop)}


def _basis(hop: Mapping[str, Any]) -> str:
    """What was compared; records of older versions compared whole answers."""
    basis = str(hop.get("basis") or "answers")
    return {"label": "labels", "answer": "answers"}.get(basis, formatting.metric_name(basis))


def _change(lost: float) -> str:
    """As a person says it: a loss falls, a gain rises."""
    return "unchanged" if abs(lost) < 1e-9 else f"{-lost:+.3f}".replace("-", formatting.MINUS)
