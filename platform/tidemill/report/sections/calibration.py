"""Does the classifier know how sure it may be?"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidemill.engine.calibration import BINS, Bin, calibration_bins, expected_error
from tidemill.report import formatting
from tidemill.report.plots.chart import Frame, bars, dots, line, rules
from tidemill.report.release_facts import ANSWERS, ReleaseFacts
from tidemill.report.template import html

TITLE = "Calibration"
ORDER = 70


def render(story: ReleaseFacts) -> Markup:
    """The reliability diagram of a classifier; generative models give no probabilities."""
    if ANSWERS in story.missing:
        return html("sections/missing.html.j2", reason=story.missing[ANSWERS])
    sure = [
        (max(row.scores.values()), row.answer.label == row.reference.label)
        for row in story.answers
        if row.scores
    ]
    groups = calibration_bins(sure, confidence=story.confidence)
    return html(
        "sections/calibration.html.j2", chart=chart(groups) if groups else "", bins=groups,
        error=expected_error(groups), rows=len(sure), generative=story.task == "causal-lm",
    )  # fmt: skip


def chart(groups: Sequence[Bin]) -> Markup:
    """Accuracy by confidence, with intervals; the diagonal is what would be right."""
    frame = Frame((0, 1), (0, 1), "confidence", "share that is right")
    most = max(group.rows for group in groups)
    tall = [
        (group.low, group.low + 1 / BINS, 0.25 * group.rows / most) for group in groups
    ]  # the rows of each bin, as a low hill below the points
    points = [(group.confidence, group.accuracy) for group in groups]
    spans = [(group.confidence, group.accuracy_low, group.accuracy_high) for group in groups]
    error = expected_error(groups) or 0.0
    return frame.picture(
        f"Reliability diagram of {len(groups)} bins; expected calibration error "
        f"{formatting.percent(error)}",
        bars(frame, tall, "faint"), line(frame, [(0, 0), (1, 1)], "soft", thin=True),
        rules(frame, spans, "accent"), line(frame, points, "accent", thin=True),
        dots(frame, points, "accent"),
    )  # fmt: skip
