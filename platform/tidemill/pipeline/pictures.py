"""Pictures of an evaluation as PNG bytes: the confusion matrix, and slices with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tidemill.pipeline.answers import Answered
from tidemill.pipeline.context import Measure
from tidemill.pipeline.drawing import as_words, png

MOST_LABELS = 20
OTHER, NONE = "(other)", "(none)"
_INK, _GOOD, _WEAK = "#16324f", "#2a9d8f", "#8d99ae"


def confusion(answers: Sequence[Answered]) -> bytes | None:
    """Wanted labels down, given labels across, row shares as colours and counts as numbers.

    At most 20 labels, those with the most mistakes; the others are put together. None where the
    rows have no labels.
    """
    found = confusions(answers)
    if found is None:
        return None
    rows, columns, table = found
    with as_words():
        plot = _pyplot()
        side = 0.42 * len(columns) + 3.2, 0.38 * len(rows) + 2.4
        figure, axes = plot.subplots(figsize=side, layout="constrained")
        shares = [[cell / max(sum(row), 1) for cell in row] for row in table]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=9)
        axes.set_yticks(range(len(rows)), rows, fontsize=9)
        axes.set_xlabel("given", color=_INK)
        axes.set_ylabel("wanted", color=_INK)
        right, every = labels_right(answers)
        title = f"{right} of {every} labels right"
        if OTHER in rows:
            kept = len(rows) - 1
            title += f"; shown are the {kept} labels with the most mistakes"
        axes.set_title(title, fontsize=11, color=_INK, loc="left")
        for y, row in enumerate(table):
            for x, cell in enumerate(row):
                if cell:
                    colour = "white" if shares[y][x] > 0.55 else _INK
                    axes.text(x, y, str(cell), ha="center", va="center", fontsize=9, color=colour)
        axes.spines[:].set_visible(False)
        return _png(plot, figure)


def confusions(
    answers: Sequence[Answered],
) -> tuple[list[str], list[str], list[list[int]]] | None:
    """Wanted labels, given labels, and how often each pair came; None without labels."""
    pairs = _pairs(answers)
    if not pairs:
        return None
    rows, columns = _axes(pairs)
    counts = Counter((_within(w, rows), _within(g, columns)) for w, g in pairs)
    return rows, columns, [[counts[wanted, given] for given in columns] for wanted in rows]


def labels_right(answers: Sequence[Answered]) -> tuple[int, int]:
    """How many labels were right, and of how many."""
    pairs = _pairs(answers)
    return sum(wanted == given for wanted, given in pairs), len(pairs)


def slices(measures: Sequence[Measure], metric: str) -> bytes | None:
    """One bar for all rows and one for each slice, with their intervals; None without slices."""
    shown = [one for one in measures if one.metric == metric and isfinite(one.value)]
    if not any(one.slice for one in shown):
        return None
    with as_words():
        plot = _pyplot()
        figure, axes = plot.subplots(figsize=(7.2, 0.5 * len(shown) + 1.5), layout="constrained")
        for y, one in enumerate(shown):
            colour = _GOOD if one.slice else _WEAK
            axes.barh(y, one.value, height=0.62, color=colour)
            low, high = max(one.low, 0.0), one.high
            axes.plot([low, high], [y, y], color=_INK, linewidth=2, solid_capstyle="butt")
            text = f" {one.value:.2f} ({low:.2f}–{high:.2f})"
            axes.text(max(high, one.value), y, text, va="center", fontsize=9, color=_INK)
        names = [f"{one.slice or 'all rows'}  ({one.rows})" for one in shown]
        axes.set_yticks(range(len(shown)), names, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.35 * max(max(one.high, one.value) for one in shown))
        axes.set_title(
            f"{metric} by slice, with confidence bounds", fontsize=11, color=_INK, loc="left"
        )
        axes.spines[["top", "right"]].set_visible(False)
        return _png(plot, figure)


def _pairs(answers: Sequence[Answered]) -> list[tuple[str, str]]:
    """(wanted, given) label of each row that has one."""
    return [
        (one.reference.label or NONE, one.answer.label or NONE)
        for one in answers
        if one.reference.label is not None
    ]


def _axes(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Labels of the rows and of the columns, in the same order, the catch-alls last."""
    wanted = Counter(w for w, _ in pairs)
    mistakes = Counter(w for w, g in pairs if w != g)
    ranked = sorted(wanted, key=lambda label: (-mistakes[label], -wanted[label], label))
    kept = sorted(ranked[:MOST_LABELS])
    rows = kept + ([OTHER] if len(wanted) > len(kept) else [])
    given = {_within(g, kept) for _, g in pairs}
    extra = [catch for catch in (OTHER, NONE) if catch in given or catch in rows]
    return rows, kept + extra


def _within(label: str, labels: Sequence[str]) -> str:
    return label if label in labels or label == NONE else OTHER


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plot

    return plot


def _png(plot: Any, figure: Any) -> bytes:
    drawn = png(figure)
    plot.close(figure)
    return drawn
