"""Does the classifier know how sure it may be?"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidemill.engine.calibration import BINS, Bin, bins, expected_error
from tidemill.report import formatting
from tidemill.report.plots.chart import Frame, bars, dots, line, rules
from tidemill.report.release_facts import ANSWERS, Story
from tidemill.report.template import html

TITLE = "Calibration"
ORDER = 70


def render(story: Story) -> Markup:
    """The reliability diagram of a classifier; generative models give no probabilities."""
    if ANSWERS in story.missing:
        return html("sections/missing.html.j2", reason=story.missing[ANSWERS])
    sure = [
        (max(one.scores.values()), one.answer.label == one.reference.label)
        for one in story.answers
        if one.scores
    ]
    found = bins(sure, confidence=story.confidence)
    return html(
        "sections/calibration.html.j2", chart=chart(found) if found else "", bins=found,
        error=expected_error(found), rows=len(sure), generative=story.task == "causal-lm",
    )  # fmt: skip


def chart(found: Sequence[Bin]) -> Markup:
    """Accuracy by confidence, with intervals; the diagonal is what would be right."""
    frame = Frame((0, 1), (0, 1), "confidence", "share that is right")
    most = max(one.rows for one in found)
    tall = [
        (one.low, one.low + 1 / BINS, 0.25 * one.rows / most) for one in found
    ]  # the rows of each bin, as a low hill below the points
    points = [(one.confidence, one.accuracy) for one in found]
    spans = [(one.confidence, one.accuracy_low, one.accuracy_high) for one in found]
    error = expected_error(found) or 0.0
    return frame.picture(
        f"Reliability diagram of {len(found)} bins; expected calibration error "
        f"{formatting.percent(error)}",
        bars(frame, tall, "faint"), line(frame, [(0, 0), (1, 1)], "soft", thin=True),
        rules(frame, spans, "accent"), line(frame, points, "accent", thin=True),
        dots(frame, points, "accent"),
    )  # fmt: skip
