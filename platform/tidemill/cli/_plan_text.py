"""A plan for a terminal: the summary, what changes, what it costs, who has to approve."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from tidemill.cli import _plan_words as words
from tidemill.planning.report import PlannedAsset, PlanReport
from tidemill.terminal.amounts import strip_control

_SIGNS = {
    "changed": "~",
    "new": "+",
    "stale": "*",
    "never_built": "+",
    "missing_artefact": "!",
    "blocked": "x",
    "removed": "-",
    "cosmetic": ".",
}


def plan_text(report: PlanReport) -> str:
    """The whole plan; a line or two where nothing matters."""
    return "\n".join(_lines(report))


def _lines(report: PlanReport) -> Iterator[str]:
    yield words.summary_line(report)
    yield f"({words.comparison_line(report)})"
    name_width = max((len(asset.entry.name) for asset in report.assets), default=0)
    states = {words.STATE_WORDS[asset.entry.state] for asset in report.assets}
    state_width = max(map(len, states), default=0)
    for project, assets in groupby(report.assets, key=lambda asset: asset.entry.project):
        yield f"\n{strip_control(project)}"
        for asset in assets:
            yield from _asset(asset, name_width, max(state_width, 8))
    for title, lines in _sections(report):
        yield f"\n{title}"
        yield from (f"  {line}" for line in lines)


def _asset(asset: PlannedAsset, name_width: int, state_width: int) -> Iterator[str]:
    entry = asset.entry
    reasons = words.reason_lines(asset, strip_control)
    estimate = words.estimate_line(asset)
    first = f"  {_SIGNS[entry.state]} {entry.name:<{name_width}}  {entry.kind:<11} "
    first += f"{words.STATE_WORDS[entry.state]:<{state_width}}  {reasons[0] if reasons else ''}"
    yield first.rstrip() + (f"   [{estimate}]" if estimate else "")
    indent = " " * (name_width + state_width + 20)
    yield from (f"{indent}{line}" for line in reasons[1:])
    yield from (f"{indent}{line}" for line in words.dataset_lines(asset, strip_control))


def _sections(report: PlanReport) -> Iterator[tuple[str, list[str]]]:
    if report.traffic:
        blocks = [words.traffic_lines(traffic, strip_control) for traffic in report.traffic]
        lines = [line for first, *rest in blocks for line in (first, *(f"  {r}" for r in rest))]
        yield "traffic", lines
    if report.over_budget:
        yield "over budget", [words.excess_line(excess) for excess in report.over_budget]
    if report.approvals:
        approvals = [words.approval_line(approval, strip_control) for approval in report.approvals]
        yield "needs approval", approvals
    if report.base_problems:
        yield "the merge base has invalid specs", list(report.base_problems[:5])
