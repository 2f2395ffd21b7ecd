"""A picture of a compression: how small it became and how alike its answers stayed, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.engine.equivalence import HopComparison
from tidemill.pipeline.drawing import figure_to_png, literal_text

_INK, _BAR, _GOOD, _BAD = "#16324f", "#8d99ae", "#2a9d8f", "#c1442e"


@literal_text()
def compression_chart(
    hops: Sequence[HopComparison], source_bytes: float, min_agreement: float
) -> bytes:
    """Size in MB on the left, agreement with the form before on the right, as PNG bytes."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plot

    names = ["before", *(hop.step for hop in hops)]
    sizes = [source_bytes / 1e6, *(hop.bytes / 1e6 for hop in hops)]
    figure, (size_axes, right) = plot.subplots(
        1, 2, figsize=(8.4, 0.5 * len(names) + 1.6), sharey=True, layout="constrained"
    )
    size_axes.barh(range(len(names)), sizes, color=_BAR, height=0.6)
    for y, size in enumerate(sizes):
        size_axes.text(size, y, f" {size:,.0f} MB", va="center", fontsize=9, color=_INK)
    size_axes.set_yticks(range(len(names)), names, fontsize=9)
    size_axes.invert_yaxis()
    size_axes.set_xlim(0, 1.35 * max(sizes))
    size_axes.set_title("size", fontsize=11, color=_INK, loc="left")
    for y, hop in enumerate(hops, 1):
        if hop.agreement is None:
            continue
        colour = _GOOD if hop.high >= min_agreement else _BAD
        right.barh(y, hop.agreement, color=colour, height=0.6)
        right.text(hop.agreement, y, f" {hop.agreement:.1%}", va="center", fontsize=9, color=_INK)
    right.axvline(min_agreement, color=_INK, linewidth=1, linestyle="--")
    right.set_xlim(0, 1.2)
    title = f"stayed as before the hop (at least {min_agreement:.0%})"
    right.set_title(title, fontsize=11, color=_INK, loc="left")
    for axes in (size_axes, right):
        axes.spines[["top", "right"]].set_visible(False)
    drawn = figure_to_png(figure)
    plot.close(figure)
    return drawn
