"""Pictures of what people write: labels with signs that a drawing library takes for its own."""

from __future__ import annotations

import pytest

from tidemill.pipeline import balance
from tidemill.pipeline.drawing import figure_to_png, literal_text


@pytest.mark.parametrize("label", ["$%$", "$x$ \\foo$ $", "US$ to A$", "Refund 💸", "_a", "مرحبا"])
def test_a_label_is_drawn_as_it_is_written(label: str) -> None:
    counts = {"train": 3, "validation": 0, "test": 1}

    drawn = balance.balance_chart(counts, {"train": {label: 3}, "test": {label: 1}})

    assert drawn.startswith(b"\x89PNG")


def test_dollars_are_dollars_and_no_formula() -> None:
    from matplotlib.figure import Figure

    with literal_text():
        figure = Figure()
        text = figure.text(0, 0, "$5 to $9")
        figure_to_png(figure)

    assert not text.get_parse_math()
