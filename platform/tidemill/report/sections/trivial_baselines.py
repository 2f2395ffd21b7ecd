"""What answers that cost next to nothing reach on the same rows, and the live release beside."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.comparisons import baseline_lines, baseline_sentence
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Trivial baselines"
ORDER = 25


def render(story: ReleaseFacts) -> Markup:
    """A table of baselines by metric; empty for a report of an earlier version."""
    lines = baseline_lines(story)
    absent = story.report.trivial.absent
    if not lines and not absent:
        return Markup("")
    return html(
        "sections/trivial_baselines.html.j2",
        lines=lines, sentence=baseline_sentence(story), absent=absent,
    )  # fmt: skip
