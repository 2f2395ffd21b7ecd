"""The loss of a training run: its points, to be kept, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.pipeline.drawing import figure_to_png, literal_text
from tidemill.training.loop import TrainingResult

_INK, _TRAIN, _HELD_OUT = "#16324f", "#8d99ae", "#e76f51"
_SMOOTH = 0.8
MOST_POINTS = 200


def curve_points(outcome: TrainingResult, unit: str) -> dict[str, object]:
    """The curve as a record keeps it: [step, loss] of training (at most 200, means of runs of
    neighbours) and of validation, and the unit."""
    return {
        "train": _thin_out(outcome.losses, MOST_POINTS),
        "validation": [[step, round(loss, 5)] for step, loss in outcome.validation_losses],
        "unit": unit,
        "best_step": outcome.best_step,
        "resumed_from": outcome.resumed_from,
        "stopped": outcome.stop_reason,
    }


@literal_text()
def loss_chart(outcome: TrainingResult, unit: str) -> bytes:
    """Training loss by step (thin: each step, thick: smoothed) and validation loss, as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plot

    figure, axes = plot.subplots(figsize=(7.2, 4.0), layout="constrained")
    steps = [step for step, _ in outcome.losses]
    axes.plot(steps, [v for _, v in outcome.losses], color=_TRAIN, linewidth=0.8, alpha=0.6)
    axes.plot(steps, _smooth(outcome.losses), color=_INK, linewidth=2, label="training (smoothed)")
    if outcome.validation_losses:
        at, values = (
            [s for s, _ in outcome.validation_losses],
            [v for _, v in outcome.validation_losses],
        )
        axes.plot(at, values, color=_HELD_OUT, linewidth=2, marker="o", label="validation")
        best = outcome.best or 0.0
        axes.annotate(
            f"best {best:.3f}", (outcome.best_step, best), xytext=(0, 10),
            textcoords="offset points", ha="center", fontsize=10, color=_HELD_OUT,
        )  # fmt: skip
    if outcome.resumed_from:
        axes.axvline(outcome.resumed_from, color=_TRAIN, linestyle=":", label="resumed here")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(f"loss, {unit}")
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(_title(outcome), fontsize=11, color=_INK, loc="left")
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    drawn = figure_to_png(figure)
    plot.close(figure)
    return drawn


def _thin_out(losses: Sequence[tuple[int, float]], most: int) -> list[list[float]]:
    """Neighbours put together where there are too many; each group stands at its last step."""
    width = -(-len(losses) // most) or 1
    groups = [losses[start : start + width] for start in range(0, len(losses), width)]
    return [
        [group[-1][0], round(sum(loss for _, loss in group) / len(group), 5)] for group in groups
    ]


def _title(outcome: TrainingResult) -> str:
    title = f"{outcome.steps} of {outcome.planned_steps} steps"
    return f"{title}, stopped early" if outcome.stop_reason else title


def _smooth(losses: list[tuple[int, float]]) -> list[float]:
    smooth: list[float] = []
    for _, loss in losses:
        smooth.append(loss if not smooth else _SMOOTH * smooth[-1] + (1 - _SMOOTH) * loss)
    return smooth
