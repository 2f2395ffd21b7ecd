"""Pictures of an evaluation as PNG bytes: the confusion matrix, and slices with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import Measure
from tidemill.pipeline.drawing import figure_to_png, literal_text

MOST_LABELS = 20
OTHER, NONE = "(other)", "(none)"
_INK, _GOOD, _WEAK = "#16324f", "#2a9d8f", "#8d99ae"


def confusion_chart(answers: Sequence[EvaluatedRow]) -> bytes | None:
    """Wanted labels down, given labels across, row shares as colours and counts as numbers.

    At most 20 labels, those with the most mistakes; the others are put together. None where the
    rows have no labels.
    """
    counts = confusion_counts(answers)
    if counts is None:
        return None
    rows, columns, table = counts
    with literal_text():
        plot = _pyplot()
        side = 0.42 * len(columns) + 3.2, 0.38 * len(rows) + 2.4
        figure, axes = plot.subplots(figsize=side, layout="constrained")
        shares = [[cell / max(sum(row), 1) for cell in row] for row in table]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=9)
        axes.set_yticks(range(len(rows)), rows, fontsize=9)
        axes.set_xlabel("given", color=_INK)
        axes.set_ylabel("wanted", color=_INK)
        right, every = correct_labels(answers)
        title = f"{right} of {every} labels correct"
        if OTHER in rows:
            label_count = len(rows) - 1
            title += f"; shown are the {label_count} labels with the most mistakes"
        axes.set_title(title, fontsize=11, color=_INK, loc="left")
        for y, row in enumerate(table):
            for x, cell in enumerate(row):
                if cell:
                    colour = "white" if shares[y][x] > 0.55 else _INK
                    axes.text(x, y, str(cell), ha="center", va="center", fontsize=9, color=colour)
        axes.spines[:].set_visible(False)
        return _png(plot, figure)


def confusion_counts(
    answers: Sequence[EvaluatedRow],
) -> tuple[list[str], list[str], list[list[int]]] | None:
    """Wanted labels, given labels, and how often each pair came; None without labels."""
    pairs = _pairs(answers)
    if not pairs:
        return None
    rows, columns = _axes(pairs)
    counts = Counter((_within(w, rows), _within(g, columns)) for w, g in pairs)
    return (
        rows,
        columns,
        [[counts[reference, predicted] for predicted in columns] for reference in rows],
    )


def correct_labels(answers: Sequence[EvaluatedRow]) -> tuple[int, int]:
    """Number of correct labels, and number of labels."""
    pairs = _pairs(answers)
    return sum(reference == predicted for reference, predicted in pairs), len(pairs)


def slice_chart(measures: Sequence[Measure], metric: str) -> bytes | None:
    """One bar for all rows and one for each slice, with their intervals; None without slices."""
    bars = [measure for measure in measures if measure.metric == metric and isfinite(measure.value)]
    if not any(measure.slice for measure in bars):
        return None
    with literal_text():
        plot = _pyplot()
        figure, axes = plot.subplots(figsize=(7.2, 0.5 * len(bars) + 1.5), layout="constrained")
        for y, measure in enumerate(bars):
            colour = _GOOD if measure.slice else _WEAK
            axes.barh(y, measure.value, height=0.62, color=colour)
            low, high = max(measure.low, 0.0), measure.high
            axes.plot([low, high], [y, y], color=_INK, linewidth=2, solid_capstyle="butt")
            text = f" {measure.value:.2f} ({low:.2f}–{high:.2f})"
            axes.text(max(high, measure.value), y, text, va="center", fontsize=9, color=_INK)
        names = [f"{measure.slice or 'all rows'}  ({measure.rows})" for measure in bars]
        axes.set_yticks(range(len(bars)), names, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.35 * max(max(measure.high, measure.value) for measure in bars))
        axes.set_title(
            f"{metric} by slice, with confidence bounds", fontsize=11, color=_INK, loc="left"
        )
        axes.spines[["top", "right"]].set_visible(False)
        return _png(plot, figure)


def _pairs(answers: Sequence[EvaluatedRow]) -> list[tuple[str, str]]:
    """(wanted, given) label of each row that has one; an item of a ranking is no label."""
    return [
        (answer.reference.label or NONE, answer.answer.label or NONE)
        for answer in answers
        if answer.reference.label is not None and not answer.answer.ranking
    ]


def _axes(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Labels of the rows and of the columns, in the same order, the catch-alls last."""
    totals = Counter(w for w, _ in pairs)
    mistakes = Counter(w for w, g in pairs if w != g)
    ranked = sorted(totals, key=lambda label: (-mistakes[label], -totals[label], label))
    chosen = sorted(ranked[:MOST_LABELS])
    rows = chosen + ([OTHER] if len(totals) > len(chosen) else [])
    predicted = {_within(g, chosen) for _, g in pairs}
    extra = [catch for catch in (OTHER, NONE) if catch in predicted or catch in rows]
    return rows, chosen + extra


def _within(label: str, labels: Sequence[str]) -> str:
    return label if label in labels or label == NONE else OTHER


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plot

    return plot


def _png(plot: Any, figure: Any) -> bytes:
    drawn = figure_to_png(figure)
    plot.close(figure)
    return drawn
