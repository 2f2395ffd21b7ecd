"""The sentences of an evaluation report, which text and Markdown share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tidemill.amounts import format_seconds
from tidemill.catalog import METRICS
from tidemill.engine.evaluation_change import (
    EvaluationChange,
    EvaluationReport,
    GateState,
    MetricChange,
    SkippedEvaluation,
    VersionComparison,
)
from tidemill.engine.gate import number
from tidemill.engine.measurement import Measure
from tidemill.terminal.amounts import format_count

Quote = Callable[[str], str]
"""Makes text from specs and rows harmless where it is shown."""
GATE_WORDS: dict[GateState | None, str] = {
    "passed": "passes",
    "failed": "fails",
    "open": "undecided (more rows would tell)",
    None: "–",
}
_DIGITS = 3


def summary_line(report: EvaluationReport) -> str:
    """The one line that a reviewer reads first."""
    if not (report.compared or report.skipped):
        return "no evaluation differs"
    worse = sum(item.comparison.is_worse for item in report.compared)
    parts = [f"{format_count(len(report.compared), 'evaluation')} compared"]
    parts += [f"{worse} for the worse" if worse else "none shown to be worse"]
    parts += [f"{len(report.skipped)} not evaluated"] if report.skipped else []
    return ", ".join(parts if report.compared else parts[2:])


def comparison_line(report: EvaluationReport, quote: Quote) -> str:
    """What was compared with what."""
    base = f"{quote(report.base_ref)}, merge base {report.base_commit[:12]}"
    return f"the working tree compared with {base}"


def rows_line(change: EvaluationChange, report: EvaluationReport) -> str:
    """How many rows both versions answered, and how many answers that took."""
    comparison = change.comparison
    total = format_count(comparison.total_rows, "test row")
    rows = f"all {total}"
    if comparison.is_sample:
        rest = comparison.total_rows - comparison.rows
        rows = f"{comparison.rows:,} of {total}, drawn at random; {rest:,} not asked"
        rows += f" (budget {format_seconds(report.budget)})"
    answers = format_count(change.new_answers, "new answer") if change.new_answers else ""
    return f"{rows}; {answers or 'no model was asked: every answer was there'}"


def skip_line(item: SkippedEvaluation, quote: Quote) -> str:
    """Why an evaluation was not run, with the way out."""
    line = quote(item.reason) if item.is_error or not item.command else item.reason
    if item.command:
        if item.build_seconds is not None:
            line += f" of about {format_seconds(item.build_seconds)}"
        line += f": {quote(item.command)}"
    return line


def shown_metrics(comparison: VersionComparison) -> tuple[list[MetricChange], int]:
    """All metrics over all rows, and of slices those that surely differ; how many are left out."""
    metrics = [metric for metric in comparison.metrics if _is_shown(metric)]
    return metrics, len(comparison.metrics) - len(metrics)


def _is_shown(metric: MetricChange) -> bool:
    if metric.after.slice is None:
        return True
    return metric.gain is not None and (metric.gain.low > 0 or metric.gain.high < 0)


def metric_cells(metric: MetricChange, quote: Quote) -> list[str]:
    """Name, value before, value after, gain with its interval."""
    part = metric.after.slice
    name = f"{metric.after.metric} on {quote(part)}" if part else metric.after.metric
    before = value_text(metric.before) if metric.before else "–"
    return [name, before, value_text(metric.after), gain_text(metric.gain)]


def value_text(measure: Measure) -> str:
    """A value in its metric's unit."""
    return number(measure.value, _unit(measure), _DIGITS)


def gain_text(gain: Measure | None) -> str:
    """A paired gain with its interval: more is better."""
    if gain is None:
        return "–"
    value, low, high = (_signed_text(bound, gain) for bound in (gain.value, gain.low, gain.high))
    return value if gain.low == gain.high else f"{value} ({low} to {high})"


def gate_lines(comparison: VersionComparison, quote: Quote) -> Iterator[tuple[str, str, str]]:
    """State before, state after, and what was compared; gates that changed or fail come first."""
    order = sorted(comparison.gates, key=lambda gate: gate.before == gate.after == "passed")
    for gate in order:
        after = "removed" if gate.after is None else GATE_WORDS[gate.after]
        before = "new" if gate.before is None else GATE_WORDS[gate.before]
        yield before, after, quote(gate.message)


def flips_line(comparison: VersionComparison) -> str:
    """How many rows flipped each way; empty without a former version."""
    flips = comparison.flips
    if flips is None:
        return ""
    if not (flips.worse_count or flips.better_count):
        return f"no answer differs by {flips.metric}"
    worse = format_count(flips.worse_count, "row")
    return f"{worse} worse and {flips.better_count:,} better by {flips.metric}"


def rest_line(count: int, items: Sequence[object], noun: str) -> str:
    """How many of a list are not shown; empty where all are."""
    rest = count - len(items)
    return f"… and {rest:,} more {noun}" if rest > 0 else ""


def _signed_text(value: float, gain: Measure) -> str:
    text = number(value, _unit(gain), _DIGITS)
    return f"+{text}" if value > 0 else text.replace("-", "−")


def _unit(measure: Measure) -> str:
    unit: str = METRICS.load(measure.metric).UNIT
    return unit
