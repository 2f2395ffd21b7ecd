"""What had to hold for a release, and what was found."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Gates"
ORDER = 10


def render(story: ReleaseFacts) -> Markup:
    """One line for each gate; a gate compares a confidence bound, never the lucky number."""
    return html("sections/gates.html.j2", gates=story.gates, confidence=story.confidence)
