"""What it gets wrong: groups of failures, largest first, with examples."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.release_facts import FAILURES, ReleaseFacts
from tidemill.report.template import html

TITLE = "Failures"
ORDER = 90
GROUPS, WORST = 12, 10


def render(story: ReleaseFacts) -> Markup:
    """The largest groups with three examples each, then the worst rows."""
    if FAILURES in story.missing:
        return html("sections/missing.html.j2", reason=story.missing[FAILURES])
    report = story.failures
    return html(
        "sections/failures.html.j2",
        groups=report.groups[:GROUPS],
        more=len(report.groups) - GROUPS,
        rows=report.rows[:WORST],
        total=len(report.rows),
    )
