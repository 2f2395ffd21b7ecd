"""How long the answers took in the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidemill.metrics import quantile
from tidemill.report import formatting
from tidemill.report.plots.chart import Frame, bars, upright
from tidemill.report.release_facts import ANSWERS, ReleaseFacts
from tidemill.report.template import html

TITLE = "Latency"
ORDER = 80
BINS = 24


def render(story: ReleaseFacts) -> Markup:
    """A histogram of seconds, with the median and the 95th of a hundred."""
    if ANSWERS in story.missing:
        return html("sections/missing.html.j2", reason=story.missing[ANSWERS])
    times = [
        answer.seconds
        for answer in story.answers
        if formatting.is_finite(answer.seconds) and answer.seconds > 0
    ]
    quantiles = [(name, quantile(times, q)) for name, q in _NAMED] if times else []
    written = sum(answer.tokens_out for answer in story.answers)
    return html(
        "sections/latency.html.j2", chart=chart(times), quantiles=quantiles, rows=len(times),
        tokens=written if written > len(story.answers) else 0,
    )  # fmt: skip


_NAMED = (("median", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("longest", 1.0))


def chart(times: Sequence[float]) -> Markup:
    """Answers by their time; the picture is empty for fewer than two."""
    if len(times) < 2:
        return Markup("")
    unit, factor = ("s", 1.0) if max(times) >= 1 else ("ms", 1000.0)
    scaled = [factor * time for time in times]
    counts = histogram(scaled, BINS)
    width = max(scaled) / BINS
    frame = Frame(
        (0, max(scaled)), (0, 1.18 * max(counts)), f"time of an answer, {unit}", "answers"
    )
    heights = [(index * width, (index + 1) * width, count) for index, count in enumerate(counts)]
    median, late = quantile(scaled, 0.5), quantile(scaled, 0.95)
    label = (
        f"Histogram of {len(times)} answers: median {formatting.seconds(median / factor)}, "
        f"95 of 100 within {formatting.seconds(late / factor)}"
    )
    apart = late - median > 0.2 * max(scaled)
    named = [(median, "median")] if apart else []
    marks = Markup("").join(upright(frame, at, name) for at, name in [*named, (late, "p95")])
    return frame.picture(label, bars(frame, heights, "ink"), marks)


def histogram(values: Sequence[float], count: int) -> list[int]:
    """How many values lie in each of `count` equal steps from 0 to the largest."""
    top = max(values)
    counts = [0] * count
    for value in values:
        counts[min(int(value / top * count), count - 1)] += 1
    return counts
