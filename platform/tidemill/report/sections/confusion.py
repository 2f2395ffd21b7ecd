"""Which label was taken for which."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.pipeline.pictures import confusion_counts, correct_labels
from tidemill.report.release_facts import ANSWERS, ReleaseFacts
from tidemill.report.template import html

TITLE = "Confusion matrix"
ORDER = 60
SHADES = 8


def render(story: ReleaseFacts) -> Markup:
    """A table of counts, shaded by their share of the wanted label; empty without labels."""
    if ANSWERS in story.missing:
        return html("sections/missing.html.j2", reason=story.missing[ANSWERS])
    matrix = confusion_counts(story.answers)
    if matrix is None:
        return Markup("")
    rows, columns, counts = matrix
    right, every = correct_labels(story.answers)
    table = [
        (name, [(count, shade(count, sum(line))) for count in line])
        for name, line in zip(rows, counts, strict=True)
    ]
    return html(
        "sections/confusion.html.j2", table=table, columns=columns, right=right, every=every
    )


def shade(count: int, of: int) -> int:
    """0 for none, then a step for each eighth of the row."""
    return -(-count * SHADES // of) if count else 0
