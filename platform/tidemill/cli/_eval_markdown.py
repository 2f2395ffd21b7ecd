"""An evaluation report as a section of the comment on a pull request.

Text from specs and rows is shown as code, cut, and nothing else: it can make no link, mention,
image, heading or HTML of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidemill.cli import _eval_words as words
from tidemill.cli._plan_markdown import code
from tidemill.engine.evaluation_change import (
    AnswerFlip,
    EvaluationChange,
    EvaluationReport,
    Flips,
    VersionComparison,
)
from tidemill.terminal.amounts import format_count

LONGEST = 200
"""Characters of a text from a row or a spec."""
MOST = 25_000
"""Characters of the section; a comment has an end."""


def eval_markdown(report: EvaluationReport) -> str:
    """The section; evaluations that do not fit are named and counted."""
    parts = [f"**Tidemill eval:** {words.summary_line(report)}.", ""]
    size, hidden = 0, 0
    for change in report.compared:
        lines = list(_change_lines(change, report))
        size += sum(map(len, lines))
        if size > MOST:
            hidden += 1
        else:
            parts += lines
    if hidden:
        parts += [f"… and {format_count(hidden, 'evaluation')}: `tidemill eval` shows all", ""]
    if report.skipped:
        skipped = [
            f"- {code(f'{item.project}/{item.name}')}: {words.skip_line(item, _quote)}"
            for item in report.skipped[:20]
        ]
        rest = words.rest_line(len(report.skipped), skipped, "evaluations")
        parts += ["**Not evaluated**", "", *skipped, *([f"- {rest}"] if rest else []), ""]
    parts.append(f"<sub>{words.comparison_line(report, _quote)}</sub>")
    return "\n".join(parts).rstrip() + "\n"


def _change_lines(change: EvaluationChange, report: EvaluationReport) -> Iterator[str]:
    comparison = change.comparison
    causes = ", ".join(map(_quote, change.causes))
    yield f"{code(f'{change.project}/{change.name}')}: {causes}"
    yield ""
    yield f"{words.rows_line(change, report)}."
    yield ""
    yield from _metric_table(comparison)
    yield from _gate_table(comparison)
    yield from _flip_table(comparison)
    for note in (*comparison.notes, *change.notes):
        yield f"<sub>{note}</sub>"
        yield ""


def _metric_table(comparison: VersionComparison) -> Iterator[str]:
    metrics, rest = words.shown_metrics(comparison)
    yield from _head("metric", "before", "after", f"gain ({comparison.confidence:.0%} interval)")
    for metric in metrics:
        yield _row(words.metric_cells(metric, _quote))
    yield ""
    if rest:
        yield f"… and {format_count(rest, 'slice value')} without a sure difference."
        yield ""


def _gate_table(comparison: VersionComparison) -> Iterator[str]:
    if comparison.gates:
        yield from _head("gates: before", "after", "")
        yield from (_row(cells) for cells in words.gate_lines(comparison, _quote))
        yield ""


def _flip_table(comparison: VersionComparison) -> Iterator[str]:
    flips = comparison.flips
    if flips is None:
        return
    if not (flips.worse or flips.better):
        yield f"{words.flips_line(comparison)}."
        yield ""
        return
    yield f"<details><summary>{words.flips_line(comparison)}</summary>"
    yield ""
    yield from _head("", "question", "right answer", "before", "after")
    yield from _flip_rows(flips)
    yield ""
    yield "</details>"
    yield ""


def _flip_rows(flips: Flips) -> Iterator[str]:
    for title, rows, count in (
        ("worse", flips.worse, flips.worse_count),
        ("better", flips.better, flips.better_count),
    ):
        yield from (_row([title, *_texts(flip)]) for flip in rows)
        if rest := words.rest_line(count, rows, "rows"):
            yield _row([title, rest, "", "", ""])


def _texts(flip: AnswerFlip) -> list[str]:
    return [_quote(text) for text in (flip.question, flip.reference, flip.before, flip.after)]


def _head(*titles: str) -> Iterator[str]:
    yield _row(titles)
    yield _row(["---"] * len(titles))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _quote(text: str) -> str:
    return code(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
