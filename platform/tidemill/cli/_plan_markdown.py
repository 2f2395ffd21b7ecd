"""A plan as a comment on a pull request: a line, a table, and the details folded away.

What specs and files say is shown as code and nothing else: it can make no link, mention, image,
heading or HTML of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.cli import _plan_words as words
from tidemill.cli._plan_words import Report
from tidemill.terminal.amounts import format_count, strip_control

MARKER = "<!-- tidemill-plan -->"
MOST = 60
"""Rows of the table; a comment has an end."""
_BAR = "\u00a6"


def markdown(report: Report) -> str:
    """The whole comment; begins with the marker by which it is found again."""
    return "\n".join([MARKER, *_blocks(report)]).rstrip() + "\n"


def code(text: str) -> str:
    """Text as a code span that nothing in it can leave, in a table or outside of one."""
    shown = " ".join(strip_control(text).replace("`", "'").replace("|", _BAR).split())
    return f"`{shown}`" if shown else "–"


def _blocks(report: Report) -> Iterator[str]:
    yield f"**Tidemill plan:** {words.summary(report)}"
    yield ""
    loud = [asset for asset in report["assets"] if asset["state"] != "cosmetic"]
    if loud:
        yield from _table(loud)
    for title, lines in _calls(report):
        yield f"**{title}**"
        yield ""
        yield from (f"- {line}" for line in lines)
        yield ""
    for title, lines in _folded(report):
        yield f"<details><summary>{title}</summary>"
        yield ""
        yield from lines
        yield ""
        yield "</details>"
        yield ""
    yield f"<sub>{_compared(report)}</sub>"


def _table(assets: list[Report]) -> Iterator[str]:
    yield "| asset | | why | takes |"
    yield "| --- | --- | --- | --- |"
    for asset in assets[:MOST]:
        why = words.why(asset, code)
        first = f"{why[0]} (+{len(why) - 1})" if len(why) > 1 else "".join(why)
        name = code(f"{asset['project']}/{asset['name']}")
        yield f"| {name} | {asset['state']} | {first} | {words.takes(asset)} |"
    if len(assets) > MOST:
        yield f"| … and {len(assets) - MOST} more | | `tidemill plan` shows them all | |"
    yield ""


def _calls(report: Report) -> Iterator[tuple[str, list[str]]]:
    """What a person has to act on: never folded away."""
    if report["over_budget"]:
        yield "Over budget", [words.excess(one) for one in report["over_budget"]]
    if report["approvals"]:
        yield "Needs approval", [words.approval(one, code) for one in report["approvals"]]
    warnings = [line for asset in report["assets"] for line in _warnings(asset)]
    if warnings:
        yield "Look at the data", warnings
    if report["base_problems"]:
        shown = [code(problem) for problem in report["base_problems"][:5]]
        yield "The base has problems of its own; what could be read is compared", shown


def _warnings(asset: Report) -> Iterator[str]:
    for line in words.data(asset, code):
        if line.startswith(("new personal data", "LEAKAGE", "kept out")):
            yield f"{code(asset['name'])}: {line}"


def _folded(report: Report) -> Iterator[tuple[str, list[str]]]:
    fields = [asset for asset in report["assets"] if len(words.why(asset, code)) > 1]
    if fields:
        yield f"All fields of {format_count(len(fields), 'asset')}", list(_listed(fields))
    data = [asset for asset in report["assets"] if list(words.data(asset, code))]
    if data:
        lines = [f"- {code(a['name'])}: {line}" for a in data for line in words.data(a, code)]
        yield f"Rows of {format_count(len(data), 'dataset')}", lines
    if report["traffic"]:
        lines = []
        for one in report["traffic"]:
            first, *rest = words.traffic(one, code)
            lines += [f"- {first}", *(f"  - {line}" for line in rest)]
        yield f"Traffic of {format_count(len(report['traffic']), 'service')}", lines
    quiet = [asset for asset in report["assets"] if asset["state"] == "cosmetic"]
    if quiet:
        yield f"{format_count(len(quiet), 'asset')} with other words only", list(_listed(quiet))


def _listed(assets: list[Report]) -> Iterator[str]:
    for asset in assets[:MOST]:
        yield f"- {code(asset['project'] + '/' + asset['name'])}"
        yield from (f"  - {line}" for line in words.why(asset, code)[:MOST])


def _compared(report: Report) -> str:
    side = "the working tree" if report["working_tree"] else code(report["head"][:12])
    base = code(report["base"][:12])
    return f"{side} beside {code(report['against'])}, from {base} where they parted"
