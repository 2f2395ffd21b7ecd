"""Every metric with its interval, over all rows and for each slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import Story
from tidemill.report.template import html

TITLE = "Metrics"
ORDER = 20


@dataclass(frozen=True)
class Line:
    """One row of a metric's table."""

    name: str
    rows: int
    value: str
    bounds: str
    plot: Markup


@dataclass(frozen=True)
class Table:
    """One metric."""

    title: str
    note: str
    lines: Sequence[Line]
    scale: Sequence[str]
    """What its plots' ends stand for."""


def render(story: Story) -> Markup:
    """A table for each metric, its plots on one scale."""
    tables = [table(name, found, _limit(story, name)) for name, found in by_metric(story.measures)]
    return html("sections/metrics.html.j2", tables=tables, empty="Nothing was measured.")


def by_metric(measures: Sequence[Measure]) -> list[tuple[str, list[Measure]]]:
    """Measures by their metric, in the order the evaluation names them."""
    names = dict.fromkeys(one.metric for one in measures)
    return [(name, [one for one in measures if one.metric == name]) for name in names]


def table(
    metric: str, measures: Sequence[Measure], limit: float | None, *, gain: bool = False
) -> Table:
    """The rows of one metric; a limit is marked where all rows are judged by one."""
    scale = scale_of(metric, measures, limit, gain=gain)
    lines = [_line(metric, one, scale, limit if not one.slice else None) for one in measures]
    note = "less is better" if formatting.lower_is_better(metric) and not gain else ""
    level = gain and not any(one.value for one in measures)
    ends = ("", "") if level else tuple(_end(metric, end) for end in scale)
    return Table(formatting.metric_name(metric), note, lines, ends)


def scale_of(
    metric: str,
    measures: Sequence[Measure],
    limit: float | None = None,
    *,
    gain: bool = False,
) -> tuple[float, float]:
    """Smallest and largest value of a metric's plots: its own range, or what is there."""
    top = formatting.highest(metric)
    if top is not None and not gain:
        return 0.0, top
    found = [bound for one in measures for bound in (one.value, one.low, one.high)]
    values = [float(value) for value in [*found, limit] if formatting.finite(value)]
    reach = max((abs(value) for value in values), default=1.0) or 1.0
    return (-1.05 * reach, 1.05 * reach) if gain else (0.0, 1.05 * reach)


def _line(metric: str, one: Measure, scale: tuple[float, float], limit: float | None) -> Line:
    name = one.slice or formatting.ALL
    said = formatting.with_interval(one)
    plot = Markup("")
    if formatting.finite(one.value):
        low, high = (
            float(bound) if formatting.finite(bound) else float(one.value)
            for bound in (one.low, one.high)
        )
        label = f"{formatting.metric_name(metric)}, {name}: {said}"
        tone = "ink" if one.slice else "accent"
        plot = strip.interval(label, one.value, low, high, scale, mark=limit, tone=tone)
    value, bounds = formatting.measured(one.value, metric), formatting.interval(one)
    number, _, unit = value.partition(" ")
    if metric.endswith("_per_second"):  # the table's name says it already
        return Line(name, one.rows, number, bounds.removesuffix(f" {unit}"), plot)
    return Line(name, one.rows, value, bounds.removesuffix(f" {unit}"), plot)


def _end(metric: str, value: float) -> str:
    said = formatting.measured(value, metric) if value else "0"
    return said.partition(" ")[0] if metric.endswith("_per_second") else said


def _limit(story: Story, metric: str) -> float | None:
    """The limit of the gate on all rows of a metric."""
    for gate in story.gates:
        facts = gate.facts
        absolute = str(facts.get("name", "")).startswith(("at_least", "at_most"))
        if facts.get("metric") == metric and not facts.get("slice") and absolute:
            return float(facts["limit"]) if formatting.finite(facts.get("limit")) else None
    return None
