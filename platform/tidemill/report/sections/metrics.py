"""Every metric with its interval, over all rows and for each slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.plots import strip
from tidemill.report.release_facts import ReleaseFacts
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


def render(story: ReleaseFacts) -> Markup:
    """A table for each metric, its plots on one scale."""
    tables = [
        table(name, measures, _limit(story, name)) for name, measures in by_metric(story.measures)
    ]
    return html("sections/metrics.html.j2", tables=tables, empty="Nothing was measured.")


def by_metric(measures: Sequence[Measure]) -> list[tuple[str, list[Measure]]]:
    """Measures by their metric, in the order the evaluation names them."""
    names = dict.fromkeys(measure.metric for measure in measures)
    return [(name, [measure for measure in measures if measure.metric == name]) for name in names]


def table(
    metric: str, measures: Sequence[Measure], limit: float | None, *, gain: bool = False
) -> Table:
    """The rows of one metric; a limit is marked where all rows are judged by one."""
    scale = scale_of(metric, measures, limit, gain=gain)
    lines = [
        _line(metric, measure, scale, limit if not measure.slice else None) for measure in measures
    ]
    note = "less is better" if formatting.lower_is_better(metric) and not gain else ""
    level = gain and not any(measure.value for measure in measures)
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
    bounds = [bound for measure in measures for bound in (measure.value, measure.low, measure.high)]
    values = [float(value) for value in [*bounds, limit] if formatting.is_finite(value)]
    reach = max((abs(value) for value in values), default=1.0) or 1.0
    return (-1.05 * reach, 1.05 * reach) if gain else (0.0, 1.05 * reach)


def _line(metric: str, measure: Measure, scale: tuple[float, float], limit: float | None) -> Line:
    name = measure.slice or formatting.ALL
    text = formatting.with_interval(measure)
    plot = Markup("")
    if formatting.is_finite(measure.value):
        low, high = (
            float(bound) if formatting.is_finite(bound) else float(measure.value)
            for bound in (measure.low, measure.high)
        )
        label = f"{formatting.metric_name(metric)}, {name}: {text}"
        tone = "ink" if measure.slice else "accent"
        plot = strip.interval(label, measure.value, low, high, scale, mark=limit, tone=tone)
    value, bounds = formatting.format_measure(measure.value, metric), formatting.interval(measure)
    number, _, unit = value.partition(" ")
    if metric.endswith("_per_second"):  # the table's name says it already
        return Line(name, measure.rows, number, bounds.removesuffix(f" {unit}"), plot)
    return Line(name, measure.rows, value, bounds.removesuffix(f" {unit}"), plot)


def _end(metric: str, value: float) -> str:
    text = formatting.format_measure(value, metric) if value else "0"
    return text.partition(" ")[0] if metric.endswith("_per_second") else text


def _limit(story: ReleaseFacts, metric: str) -> float | None:
    """The limit of the gate on all rows of a metric."""
    for gate in story.gates:
        facts = gate.facts
        absolute = str(facts.get("name", "")).startswith(("at_least", "at_most"))
        if facts.get("metric") == metric and not facts.get("slice") and absolute:
            return float(facts["limit"]) if formatting.is_finite(facts.get("limit")) else None
    return None
