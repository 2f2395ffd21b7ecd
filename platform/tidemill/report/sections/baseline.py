"""The gain on the release that was live, or that is pinned, over the same rows."""

from __future__ import annotations

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.release_facts import REPORT, ReleaseFacts
from tidemill.report.sections.metrics import by_metric, table
from tidemill.report.template import html

TITLE = "Gain on the baseline"
ORDER = 30


def render(story: ReleaseFacts) -> Markup:
    """A table for each metric around zero; more is better whatever the metric."""
    tables = [table(name, measures, 0.0, gain=True) for name, measures in by_metric(story.gains)]
    return html(
        "sections/metrics.html.j2", tables=tables, note=_note(story) if tables else "",
        empty=story.missing.get(REPORT) or "There was no release to compare with yet.",
        legend="Right of the line is better. An interval that includes zero shows no significant "
        "difference.",
    )  # fmt: skip


def _note(story: ReleaseFacts) -> str:
    rows = story.report.baseline
    if rows.paired is None:
        return ""
    text = f"Compared on {formatting.format_count(rows.paired, 'row')} that both answered"
    again = rows.asked_again
    repeated = f"; {again} of them were answered by the baseline again" if again else ""
    return f"{text}{repeated}{f'; {rows.unpaired} could not be' if rows.unpaired else ''}."
