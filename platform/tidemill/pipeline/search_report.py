"""What a search tells people: a table with intervals, examples that flipped, what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from typing import Any

from tidemill.engine.search import SearchDecision
from tidemill.engine.search_budget import Cost, Limits
from tidemill.engine.statistics import Interval

LONGEST = 300
"""Characters of an example in a pull-request text."""


@dataclass(frozen=True)
class Flip:
    """A deciding row that one of the two answers better."""

    asked: str
    wanted: str
    before: str
    after: str


@dataclass(frozen=True)
class Report:
    """One search with its outcome, ready to be told."""

    title: str
    """`support-chat/reply-prompt`."""
    what: str
    """`prompt` or `fine-tune`."""
    model: str
    """Whose weights answered, in words."""
    metric: str
    how: str
    """The method, with its seed."""
    ranked_on: str
    """Which rows ranked, in words."""
    decided_on: str
    trials: tuple[tuple[str, float | None], ...]
    """What each trial was, and its value; the one as it is now comes first."""
    leader: str
    """What leads, in words; empty where nothing beats what there is."""
    decision: SearchDecision | None
    better: tuple[Flip, ...]
    worse: tuple[Flip, ...]
    flipped: tuple[int, int]
    cost: tuple[str, ...]
    ended: str
    command: str
    stale: tuple[str, ...] = ()
    """Assets that a merge would make stale."""
    notes: tuple[str, ...] = ()
    diff: str = ""

    @property
    def proposes(self) -> bool:
        """Whether there is something to merge."""
        return self.decision is not None and self.decision.is_better

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        if self.decision is None:
            return (
                f"no gain: nothing tried beats the {self.what} as it is on the ranking rows, so "
                "nothing is proposed"
            )
        gain = _interval(self.decision.gain, signed=True)
        if not self.decision.is_better:
            return (
                f"no gain beyond the interval: {self.metric} {gain} on {self.decided_on}, and "
                f"{self.decision.reason}; nothing is proposed"
            )
        return f"a gain: {self.metric} {gain} on {self.decided_on}"


def text(report: Report) -> str:
    """For a terminal."""
    lines = [f"{report.title}, answered by {report.model}; {report.how}", ""]
    lines += [f"  {_value(value):>8}  {label}" for label, value in report.trials]
    lines += [f"  {report.metric} on {report.ranked_on}", ""]
    if report.decision:
        lines += [
            f"  now       {_interval(report.decision.current)}",
            f"  proposed  {_interval(report.decision.leader)}",
            f"  gain      {_interval(report.decision.gain, signed=True)}",
            f"  {report.metric} on {report.decided_on}, at {_sure(report.decision)}",
            "",
        ]
    lines += [*report.cost, f"the search ended: {report.ended}", *report.notes]
    if report.proposes:
        lines += ["", report.diff.rstrip()]
    return "\n".join([*lines, "", report.verdict])


def markdown(report: Report) -> str:
    """For a pull request."""
    decision = report.decision
    assert decision is not None
    better, worse = report.flipped
    parts = [
        f"`tidemill {'sweep' if report.what == 'fine-tune' else 'optimise'}` found a {report.what} "
        f"that answers better: **{report.metric} {_interval(decision.gain, signed=True)}**.",
        _table(
            ("", report.metric, f"interval at {decision.confidence:.3%}"),
            [
                ("now", *_cells(decision.current)),
                ("proposed", *_cells(decision.leader)),
                ("gain, paired", *_cells(decision.gain, signed=True)),
            ],
        ),
        f"Judged on {report.decided_on}, which no choice has looked at before "
        f"({_look(decision.comparison)}). Swapping the two answers of each row at random gives as "
        f"large a gain with probability {decision.p_value:.2g}. Answered by {report.model}.",
        "### What changes",
        f"{report.leader}." if report.leader else "",
        f"Merging makes stale: {', '.join(report.stale)}." if report.stale else "",
        *report.notes,
        "### Examples that flipped",
        f"{better} rows are answered better, {worse} worse.",
        *_flips("better", report.better),
        *_flips("worse", report.worse),
        "### What was tried",
        _table(
            ("candidate", f"{report.metric} on {report.ranked_on}"),
            [(label, _value(value)) for label, value in report.trials],
        ),
        f"{report.how}. The search ended: {report.ended}.",
        "### Cost",
        "\n".join(f"- {line}" for line in report.cost),
        "### To reproduce",
        f"```sh\n{report.command}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(report: Report) -> dict[str, Any]:
    """For machines."""
    values = asdict(report)
    values["decision"] = report.decision.to_dict() if report.decision else None
    values["trials"] = [{"candidate": label, "value": value} for label, value in report.trials]
    return {"proposes": report.proposes, "verdict": report.verdict, **values}


def costs(spent: Cost, fresh: Cost, limits: Limits, priced: bool) -> tuple[str, ...]:
    """What a search cost, line by line; money only where a price is known."""
    lines = [
        f"calls: {spent.calls:,}{_of(limits.calls)}, {fresh.calls:,} of them paid in this run",
        f"tokens: {spent.tokens:,}{_of(limits.tokens)}",
    ]
    if priced or limits.money is not None:
        lines.append(f"money: {spent.money:.4f}{_of(limits.money)}")
    return tuple(lines)


def difference(before: Mapping[str, bytes], after: Mapping[str, bytes | None]) -> str:
    """The files' unified diff."""
    parts: list[str] = []
    for path, new in sorted(after.items()):
        old = before.get(path)
        parts += unified_diff(
            (old or b"").decode().splitlines(keepends=True),
            (new or b"").decode().splitlines(keepends=True),
            f"a/{path}" if old is not None else "/dev/null",
            f"b/{path}",
        )
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _flips(way: str, found: Sequence[Flip]) -> list[str]:
    if not found:
        return []
    shown = [(_clip(f.asked), _clip(f.wanted), _clip(f.before), _clip(f.after)) for f in found]
    heading = f"The first {len(found)} that are {way}:"
    return [heading, _table(("asked", "wanted", "now", "proposed"), shown)]


def _cell(text: str) -> str:
    """Text that stays inside its cell: a user's words are shown, never rendered."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("@", "&#64;")):
        text = text.replace(sign, instead)
    return "<br>".join(text.splitlines())


def _clip(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _cells(found: Interval, *, signed: bool = False) -> tuple[str, str]:
    sign = "+" if signed else ""
    return f"{found.value:{sign}.3f}", f"{found.low:{sign}.3f} to {found.high:{sign}.3f}"


def _interval(found: Interval, *, signed: bool = False) -> str:
    value, bounds = _cells(found, signed=signed)
    return f"{value} ({bounds})"


def _sure(decision: SearchDecision) -> str:
    return f"{decision.confidence:.3%} confidence, {_look(decision.comparison)}"


def _look(look: int) -> str:
    first = "the first candidate they decide on"
    return first if look == 1 else f"candidate number {look} they decide on"


def _value(value: float | None) -> str:
    return "too long" if value is None else f"{value:.3f}"


def _of(limit: float | None) -> str:
    return "" if limit is None else f" of at most {limit:,}"
