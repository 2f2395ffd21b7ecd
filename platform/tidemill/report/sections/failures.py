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
    clusters = list(story.failures.get("clusters") or ())
    failures = list(story.failures.get("failures") or ())
    return html(
        "sections/failures.html.j2",
        clusters=clusters[:GROUPS],
        more=len(clusters) - GROUPS,
        failures=failures[:WORST],
        kept=len(failures),
        rows=story.report.get("rows"),
    )
