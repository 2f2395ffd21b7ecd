"""The loss while the weights were fitted."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidemill.ports import Materialisation
from tidemill.report import formatting
from tidemill.report.build_facts import LossCurve
from tidemill.report.plots.chart import Frame, Point, dots, line
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Learning curves"
ORDER = 50
_SMOOTH = 0.8


def render(story: ReleaseFacts) -> Markup:
    """A chart for each fine-tune; empty where nothing was trained."""
    runs = [
        {"name": name, "chart": chart(making), "facts": making.facts, "making": making}
        for name, making in story.materialisations_of("FineTune").items()
    ]
    return html("sections/learning.html.j2", runs=runs) if runs else Markup("")


def chart(making: Materialisation) -> Markup:
    """Training loss by step (thin: as it was; thick: smoothed) and validation loss."""
    curve = LossCurve.of(making)
    train, held_out = curve.train, curve.validation
    every = [*train, *held_out]
    if len(every) < 2:
        return Markup("")
    frame = Frame(
        (0, max(x for x, _ in every)), (0, 1.05 * (max(y for _, y in every) or 1)),
        "optimiser step", f"loss, {curve.unit}" if curve.unit else "loss",
    )  # fmt: skip
    label = f"Loss of {making.name} over {making.facts.get('steps', len(train))} steps"
    last = making.facts.get("validation_loss")
    label += f"; validation loss {last:.3f} at best" if formatting.is_finite(last) else ""
    return frame.picture(
        label, line(frame, train, "soft", thin=True), line(frame, smooth(train), "ink"),
        line(frame, held_out, "accent"), dots(frame, held_out, "accent"),
    )  # fmt: skip


def smooth(points: Sequence[Point]) -> list[Point]:
    """An exponential mean: each point is four parts what was and one part what is."""
    means: list[Point] = []
    for x, y in points:
        means.append((x, y if not means else _SMOOTH * means[-1][1] + (1 - _SMOOTH) * y))
    return means
