"""The picture of a dataset: rows per label and split."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.data import SPLITS
from tidemill.pipeline.drawing import figure_to_png, literal_text

MOST_LABELS = 30
_COLOURS = {"train": "#16324f", "validation": "#e9a23b", "test": "#2a9d8f"}


@literal_text()
def balance_chart(counts: Mapping[str, int], labels: Mapping[str, Mapping[str, int]]) -> bytes:
    """PNG bytes; without labels, one bar per split. At most 30 labels, the most frequent ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    totals: dict[str, int] = {}
    for split in labels.values():
        for label, count in split.items():
            totals[label] = totals.get(label, 0) + count
    names = sorted(totals, key=lambda label: (-totals[label], label))[:MOST_LABELS]
    lines = names or ["all rows"]
    figure = Figure(figsize=(7.2, 0.28 * len(lines) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    offsets = [0] * len(lines)
    for split_name in SPLITS:
        widths = [
            labels.get(split_name, {}).get(name, 0) if names else counts[split_name]
            for name in lines
        ]
        title = f"{split_name} ({counts[split_name]})"
        axes.barh(lines, widths, left=offsets, color=_COLOURS[split_name], label=title)
        offsets = [a + b for a, b in zip(offsets, widths, strict=True)]
    axes.invert_yaxis()
    hidden = len(totals) - len(names)
    axes.set_xlabel(f"rows ({hidden} rarer labels not shown)" if hidden else "rows")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    FigureCanvasAgg(figure)
    return figure_to_png(figure, dpi=110)
