"""The rows it was made from: how many, of what, what was kept out, what was expected."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report.balance import balance, plot, sources
from tidemill.report.release_facts import DATASET, ReleaseFacts
from tidemill.report.template import html

TITLE = "Dataset"
ORDER = 100


def render(story: ReleaseFacts) -> Markup:
    """Counts, label balance, quarantine, personal data, expectations, feedback offsets."""
    data = story.data
    shares, hidden = balance(data)
    most = max((share.total for share in shares), default=1)
    return html(
        "sections/dataset.html.j2",
        data=data,
        missing=data.missing.get(DATASET),
        labels=[(share, plot(share, most)) for share in shares],
        hidden=hidden,
        sources=sources(data),
    )
