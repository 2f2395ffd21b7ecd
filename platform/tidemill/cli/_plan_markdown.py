"""A plan as a comment on a pull request: a line, a table, and the details folded away.

Text from specs and files is shown as code and nothing else: it can make no link, mention, image,
heading or HTML of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidemill.cli import _plan_words as words
from tidemill.planning.report import PlannedAsset, PlanReport
from tidemill.terminal.amounts import format_count, strip_control

MARKER = "<!-- tidemill-plan -->"
MAX_ROWS = 60
"""Rows of the table; a comment has an end."""
MAX_SECTION = 36_000
"""Characters of an added section."""
_BAR = "\u00a6"


def plan_markdown(report: PlanReport, section: str = "") -> str:
    """The whole comment; begins with the marker by which it is found again. A section is Markdown
    of another command, put at the end and cut where it is too long for a comment."""
    added = ["", section[:MAX_SECTION]] if section else []
    return "\n".join([MARKER, *_blocks(report), *added]).rstrip() + "\n"


def code(text: str) -> str:
    """Text as a code span that nothing in it can leave, in a table or outside of one."""
    line = " ".join(strip_control(text).replace("`", "'").replace("|", _BAR).split())
    return f"`{line}`" if line else "–"


def _blocks(report: PlanReport) -> Iterator[str]:
    yield f"**Tidemill plan:** {words.summary_line(report)}"
    yield ""
    rows = [asset for asset in report.assets if asset.entry.state != "cosmetic"]
    if rows:
        yield from _table(rows)
    for title, lines in _calls(report):
        yield f"**{title}**"
        yield ""
        yield from (f"- {line}" for line in lines)
        yield ""
    for title, lines in _details(report):
        yield f"<details><summary>{title}</summary>"
        yield ""
        yield from lines
        yield ""
        yield "</details>"
        yield ""
    yield f"<sub>{_comparison(report)}</sub>"


def _table(assets: Sequence[PlannedAsset]) -> Iterator[str]:
    yield "| asset | | reason | estimate |"
    yield "| --- | --- | --- | --- |"
    for asset in assets[:MAX_ROWS]:
        reasons = words.reason_lines(asset, code)
        first = f"{reasons[0]} (+{len(reasons) - 1})" if len(reasons) > 1 else "".join(reasons)
        state = words.STATE_WORDS[asset.entry.state]
        yield f"| {code(asset.entry.key)} | {state} | {first} | {words.estimate_line(asset)} |"
    if len(assets) > MAX_ROWS:
        rest = len(assets) - MAX_ROWS
        yield f"| … and {rest} more | | `tidemill plan` shows them all | |"
    yield ""


def _calls(report: PlanReport) -> Iterator[tuple[str, list[str]]]:
    """What a person has to act on: never folded away."""
    if report.over_budget:
        yield "Over budget", [words.excess_line(excess) for excess in report.over_budget]
    if report.approvals:
        yield (
            "Needs approval",
            [words.approval_line(approval, code) for approval in report.approvals],
        )
    warnings = [line for asset in report.assets for line in _warnings(asset)]
    if warnings:
        yield "Check the data", warnings
    if report.base_problems:
        problems = [code(problem) for problem in report.base_problems[:5]]
        yield "The merge base has invalid specs; only the valid ones are compared", problems


def _warnings(asset: PlannedAsset) -> Iterator[str]:
    for line in words.dataset_lines(asset, code):
        if line.startswith(("new personal data", "LEAKAGE", "kept out")):
            yield f"{code(asset.entry.name)}: {line}"


def _details(report: PlanReport) -> Iterator[tuple[str, list[str]]]:
    fields = [asset for asset in report.assets if len(words.reason_lines(asset, code)) > 1]
    if fields:
        yield f"All fields of {format_count(len(fields), 'asset')}", list(_reasons(fields))
    data = [asset for asset in report.assets if list(words.dataset_lines(asset, code))]
    if data:
        yield (
            f"Rows of {format_count(len(data), 'dataset')}",
            [
                f"- {code(asset.entry.name)}: {line}"
                for asset in data
                for line in words.dataset_lines(asset, code)
            ],
        )
    if report.traffic:
        lines = []
        for traffic in report.traffic:
            first, *rest = words.traffic_lines(traffic, code)
            lines += [f"- {first}", *(f"  - {line}" for line in rest)]
        yield f"Traffic of {format_count(len(report.traffic), 'service')}", lines
    quiet = [asset for asset in report.assets if asset.entry.state == "cosmetic"]
    if quiet:
        title = f"{format_count(len(quiet), 'asset')} with another description or layout"
        yield title, list(_reasons(quiet))


def _reasons(assets: Sequence[PlannedAsset]) -> Iterator[str]:
    for asset in assets[:MAX_ROWS]:
        yield f"- {code(asset.entry.key)}"
        yield from (f"  - {line}" for line in words.reason_lines(asset, code)[:MAX_ROWS])


def _comparison(report: PlanReport) -> str:
    head = "the working tree" if report.is_working_tree else code(report.head_commit[:12])
    base = f"{code(report.base_ref)}, merge base {code(report.base_commit[:12])}"
    built = ", and with what is built here" if report.has_ledger else ""
    return f"{head} compared with {base}{built}"
