"""What a reader should not expect of this release."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.limits import limits
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Known limits"
ORDER = 95


def render(story: ReleaseFacts) -> Markup:
    """Sentences drawn from its own numbers."""
    return html("sections/limits.html.j2", limits=limits(story))
