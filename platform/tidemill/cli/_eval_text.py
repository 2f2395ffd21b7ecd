"""An evaluation report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidemill.cli import _eval_words as words
from tidemill.engine.evaluation_change import (
    AnswerFlip,
    EvaluationChange,
    EvaluationReport,
    VersionComparison,
)
from tidemill.terminal.amounts import format_count, strip_control


def eval_text(report: EvaluationReport) -> str:
    """The whole report: each evaluation with metrics, gates and flipped rows; then what was not
    evaluated, and why."""
    return "\n".join(_lines(report))


def _lines(report: EvaluationReport) -> Iterator[str]:
    for change in report.compared:
        yield from _change_lines(change, report)
        yield ""
    if report.skipped:
        yield "not evaluated"
        for item in report.skipped:
            causes = f" ({_join_causes(item.causes)})" if item.causes else ""
            line = words.skip_line(item, strip_control)
            yield f"  {item.project}/{item.name}{causes}: {line}"
        yield ""
    yield f"{words.summary_line(report)} ({words.comparison_line(report, strip_control)})"


def _change_lines(change: EvaluationChange, report: EvaluationReport) -> Iterator[str]:
    comparison = change.comparison
    yield f"{change.project}/{change.name}  {_join_causes(change.causes)}"
    yield f"  {words.rows_line(change, report)}"
    yield from _metric_lines(comparison)
    if comparison.gates:
        yield "  gates: before → after"
        for before, after, message in words.gate_lines(comparison, strip_control):
            yield f"    {before} → {after}  {message}"
    yield from _flip_lines(comparison)
    for note in (*comparison.notes, *change.notes):
        yield f"  note: {note}"


def _metric_lines(comparison: VersionComparison) -> Iterator[str]:
    metrics, rest = words.shown_metrics(comparison)
    head = ["", "before", "after", f"gain ({comparison.confidence:.0%} interval)"]
    table = [head, *(words.metric_cells(metric, strip_control) for metric in metrics)]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for name, before, after, gain in table:
        yield (
            f"  {name:<{widths[0]}}  {before:>{widths[1]}}  {after:>{widths[2]}}  {gain}".rstrip()
        )
    if rest:
        yield f"  … and {format_count(rest, 'slice value')} without a sure difference"


def _flip_lines(comparison: VersionComparison) -> Iterator[str]:
    flips = comparison.flips
    if flips is None:
        return
    yield f"  {words.flips_line(comparison)}"
    for title, rows, count in (
        ("worse", flips.worse, flips.worse_count),
        ("better", flips.better, flips.better_count),
    ):
        for flip in rows:
            yield from _flip(title, flip)
        if rest := words.rest_line(count, rows, f"{title} rows"):
            yield f"    {rest}"


def _flip(title: str, flip: AnswerFlip) -> Iterator[str]:
    yield f"    {title}: {strip_control(flip.question)}"
    yield f"      right answer  {strip_control(flip.reference)}"
    yield f"      before        {strip_control(flip.before)}"
    yield f"      after         {strip_control(flip.after)}"


def _join_causes(causes: Sequence[str]) -> str:
    return strip_control("; ".join(causes))
