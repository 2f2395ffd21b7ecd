"""How alike the answers stayed through each transformation, and how small the model became."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from tidemill.ports import Materialisation
from tidemill.report import formatting
from tidemill.report.build_facts import CompressionHop, compression_hops
from tidemill.report.plots import strip
from tidemill.report.release_facts import ReleaseFacts, SpecValues
from tidemill.report.template import html

TITLE = "Compression steps"
ORDER = 40


def render(story: ReleaseFacts) -> Markup:
    """A table for each compression; empty where the weights serve as they were trained."""
    chains = [
        _chain(build, story.specs.get(name, {}))
        for name, build in story.materialisations_of("Compression").items()
    ]
    return html("sections/hops.html.j2", chains=chains) if chains else Markup("")


@dataclass(frozen=True)
class Row:
    """One hop as the page shows it."""

    hop: CompressionHop
    basis: str
    """What was compared, in words."""
    changes: str
    """How much each metric changed, in words."""
    plot: Markup


@dataclass(frozen=True)
class Chain:
    """One compression as the page shows it."""

    build: Materialisation
    least: float | None
    """The lowest agreement that was asked for; None where the spec is not known any more."""
    rows: list[Row]


def _chain(build: Materialisation, spec: SpecValues) -> Chain:
    least = (spec.get("equivalence") or {}).get("min_agreement")
    return Chain(build, least, [_row(hop, least) for hop in compression_hops(build)])


def _row(hop: CompressionHop, least: float | None) -> Row:
    changes = [f"{formatting.metric_name(key)} {_change(loss)}" for key, loss in hop.loss.items()]
    basis = {"label": "labels", "answer": "answers"}.get(
        hop.basis, formatting.metric_name(hop.basis)
    )
    return Row(hop, basis, ", ".join(changes), _plot(hop, basis, least))


def _plot(hop: CompressionHop, basis: str, least: float | None) -> Markup:
    if not formatting.is_finite(hop.agreement):
        return Markup("")
    high = hop.agreement if hop.high is None else hop.high
    tone = "good" if least is None or high >= least else "bad"
    label = f"{hop.step}: {formatting.percent(hop.agreement)} of {basis} as before"
    return strip.bar(label, hop.agreement, mark=least, tone=tone)


def _change(lost: float) -> str:
    """As a person says it: a loss falls, a gain rises."""
    return "unchanged" if abs(lost) < 1e-9 else f"{-lost:+.3f}".replace("-", formatting.MINUS)
