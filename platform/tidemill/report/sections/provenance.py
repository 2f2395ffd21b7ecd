"""What it was made from, to the byte: commit, specs, artefacts, licences, tools."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.licences import release_chain
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "Provenance"
ORDER = 120


def render(story: ReleaseFacts) -> Markup:
    """Digests in full, so that they can be compared."""
    release = story.release
    return html(
        "sections/provenance.html.j2",
        release=release,
        chain=release_chain(story),
        unknown=sorted(set(release.specs) - set(story.specs)),
    )
