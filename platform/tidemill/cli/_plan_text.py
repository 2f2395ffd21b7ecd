"""A plan for a terminal: the summary, what changes, what it costs, who has to agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from tidemill.cli import _plan_words as words
from tidemill.cli._plan_words import Report
from tidemill.terminal.amounts import strip_control

_SIGNS = {"changed": "~", "new": "+", "stale": "*", "removed": "-", "cosmetic": "."}


def text(report: Report) -> str:
    """The whole plan; a line or two where nothing matters."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield words.summary(report)
    yield f"({words.compared(report)})"
    wide = max((len(asset["name"]) for asset in report["assets"]), default=0)
    for project, assets in groupby(report["assets"], key=lambda asset: asset["project"]):
        yield f"\n{strip_control(project)}"
        for asset in assets:
            yield from _asset(asset, wide)
    for title, lines in _sections(report):
        yield f"\n{title}"
        yield from (f"  {line}" for line in lines)


def _asset(asset: Report, wide: int) -> Iterator[str]:
    why = words.why(asset, strip_control)
    takes = words.takes(asset)
    first = f"  {_SIGNS[asset['state']]} {asset['name']:<{wide}}  {asset['kind']:<11} "
    first += f"{asset['state']:<8}  {why[0] if why else ''}"
    yield first.rstrip() + (f"   [{takes}]" if takes else "")
    space = " " * (wide + 28)
    yield from (f"{space}{line}" for line in why[1:])
    yield from (f"{space}{line}" for line in words.data(asset, strip_control))


def _sections(report: Report) -> Iterator[tuple[str, list[str]]]:
    if report["traffic"]:
        lines = [words.traffic(one, strip_control) for one in report["traffic"]]
        yield "traffic", [line for first, *rest in lines for line in (first, *map(_deeper, rest))]
    if report["over_budget"]:
        yield "over budget", [words.excess(one) for one in report["over_budget"]]
    if report["approvals"]:
        yield "needs approval", [words.approval(one, strip_control) for one in report["approvals"]]
    if report["base_problems"]:
        yield "the base has problems of its own", list(report["base_problems"][:5])


def _deeper(line: str) -> str:
    return f"  {line}"
