"""Labels, slices and former test rows beside the release that was live: what got worse."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.evaluation_files import GroupReport
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.template import html

TITLE = "What got worse"
ORDER = 32
_SHOWN_GROUPS = 12
_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Line:
    """One group of rows."""

    title: str
    metric: str
    before: str
    after: str
    rows: int
    worse: int
    better: int
    fell: bool
    examples: tuple[str, ...]
    """Questions of rows that got worse."""


def render(story: ReleaseFacts) -> Markup:
    """The groups that fell, then those that lost most; empty where nothing was compared."""
    report = story.report.forgetting
    if not report.groups:
        return Markup("")
    lower = [group for group in report.groups if group.fell or group.candidate < group.baseline]
    lower.sort(key=lambda group: (not group.fell, -group.bound))
    return html(
        "sections/forgetting.html.j2",
        lines=[_line(story, group) for group in lower[: max(_SHOWN_GROUPS, len(report.fallen))]],
        compared=formatting.format_count(len(report.groups), "group"),
        fallen=len(report.fallen), margin=formatting.format_measure(report.margin),
        too_few=formatting.join_names(list(report.too_few)),
    )  # fmt: skip


def _line(story: ReleaseFacts, group: GroupReport) -> Line:
    before, after = (
        formatting.format_measure(value, group.metric)
        for value in (group.baseline, group.candidate)
    )
    return Line(
        group.title, formatting.metric_name(group.metric), before, after, group.rows,
        len(group.got_worse), group.got_better, group.fell, _examples(story, group),
    )  # fmt: skip


def _examples(story: ReleaseFacts, group: GroupReport) -> tuple[str, ...]:
    if not group.fell:
        return ()
    from tidemill.pipeline.failures import row_question

    by_id = {answer.id: answer for answer in story.answers}
    answers = [by_id[row] for row in group.got_worse if row in by_id]
    return tuple(row_question(answer) for answer in answers[:_SHOWN_ROWS])
