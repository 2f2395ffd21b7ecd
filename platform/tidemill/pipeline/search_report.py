"""The report of a search: metrics with intervals, changed answers, cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff

from tidemill.engine.search import SearchDecision
from tidemill.engine.search_budget import Cost, Limits
from tidemill.engine.statistics import Interval

LONGEST = 300
"""Characters of an example in a pull-request text."""


@dataclass(frozen=True)
class AnswerChange:
    """A deciding row that one of the two answers better."""

    question: str
    reference: str
    before: str
    after: str


@dataclass(frozen=True)
class SearchReport:
    """The outcome of one search, ready for output."""

    title: str
    """`support-chat/reply-prompt`."""
    subject: str
    """`prompt` or `fine-tune`."""
    model: str
    """Whose weights answered, in words."""
    metric: str
    method: str
    """The method, with its seed."""
    ranked_on: str
    """Description of the ranking rows."""
    decided_on: str
    trials: tuple[tuple[str, float | None], ...]
    """Description and value of each trial; the current one comes first."""
    leader: str
    """Description of the best candidate; empty where none beats the current one."""
    decision: SearchDecision | None
    improved: tuple[AnswerChange, ...]
    worsened: tuple[AnswerChange, ...]
    flipped: tuple[int, int]
    cost: tuple[str, ...]
    stop_reason: str
    command: str
    stale_assets: tuple[str, ...] = ()
    """Assets that a merge would make stale."""
    notes: tuple[str, ...] = ()
    diff: str = ""

    @property
    def has_proposal(self) -> bool:
        """True where a pull request should be opened."""
        return self.decision is not None and self.decision.is_better

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        if self.decision is None:
            return (
                f"no gain: no candidate beats the current {self.subject} on the ranking rows; "
                "nothing is proposed"
            )
        gain = _interval(self.decision.gain, signed=True)
        if not self.decision.is_better:
            return (
                f"no significant gain: {self.metric} {gain} on {self.decided_on}; "
                f"{self.decision.reason}; nothing is proposed"
            )
        return f"a gain: {self.metric} {gain} on {self.decided_on}"


def report_text(report: SearchReport) -> str:
    """The report as text for a terminal."""
    lines = [f"{report.title}, answered by {report.model}; {report.method}", ""]
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
    lines += [*report.cost, f"stopped: {report.stop_reason}", *report.notes]
    if report.has_proposal:
        lines += ["", report.diff.rstrip()]
    return "\n".join([*lines, "", report.verdict])


def report_markdown(report: SearchReport) -> str:
    """The report as Markdown for a pull request."""
    decision = report.decision
    assert decision is not None
    better, worse = report.flipped
    parts = [
        f"`tidemill {'sweep' if report.subject == 'fine-tune' else 'optimise'}` found a "
        f"{report.subject} "
        f"that answers better: **{report.metric} {_interval(decision.gain, signed=True)}**.",
        _table(
            ("", report.metric, f"interval at {decision.confidence:.3%}"),
            [
                ("now", *_cells(decision.current)),
                ("proposed", *_cells(decision.leader)),
                ("gain, paired", *_cells(decision.gain, signed=True)),
            ],
        ),
        f"Compared on {report.decided_on}, which the search never used "
        f"({_comparison_text(decision.comparison)}). As large a gain comes by chance, when the "
        f"answers of each row are swapped at random, with p = {decision.p_value:.2g}. "
        f"Model: {report.model}.",
        "### What changes",
        f"{report.leader}." if report.leader else "",
        f"After merging, these assets are stale: {', '.join(report.stale_assets)}."
        if report.stale_assets
        else "",
        *report.notes,
        "### Changed answers",
        f"{better} rows improved, {worse} got worse.",
        *_flips("better", report.improved),
        *_flips("worse", report.worsened),
        "### Candidates",
        _table(
            ("candidate", f"{report.metric} on {report.ranked_on}"),
            [(label, _value(value)) for label, value in report.trials],
        ),
        f"{report.method}. The search ended: {report.stop_reason}.",
        "### Cost",
        "\n".join(f"- {line}" for line in report.cost),
        "### To reproduce",
        f"```sh\n{report.command}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def report_to_dict(report: SearchReport) -> dict[str, object]:
    """The report as a JSON object."""
    values = asdict(report)
    values["decision"] = report.decision.to_dict() if report.decision else None
    values["trials"] = [{"candidate": label, "value": value} for label, value in report.trials]
    return {"proposes": report.has_proposal, "verdict": report.verdict, **values}


def cost_lines(spent: Cost, fresh: Cost, limits: Limits, priced: bool) -> tuple[str, ...]:
    """Lines with the cost of a search; money only where a price is known."""
    lines = [
        f"calls: {spent.calls:,}{_limit_text(limits.calls)}, {fresh.calls:,} new in this run",
        f"tokens: {spent.tokens:,}{_limit_text(limits.tokens)}",
    ]
    if priced or limits.money is not None:
        lines.append(f"money: {spent.money:.4f}{_limit_text(limits.money)}")
    return tuple(lines)


def files_diff(before: Mapping[str, bytes], after: Mapping[str, bytes | None]) -> str:
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


def _flips(way: str, changes: Sequence[AnswerChange]) -> list[str]:
    if not changes:
        return []
    rows = [
        (_clip(f.question), _clip(f.reference), _clip(f.before), _clip(f.after)) for f in changes
    ]
    heading = f"The first {len(changes)} that are {way}:"
    return [heading, _table(("asked", "wanted", "now", "proposed"), rows)]


def _cell(text: str) -> str:
    """Text that stays inside its cell: a user's words are shown, never rendered."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("@", "&#64;")):
        text = text.replace(sign, instead)
    return "<br>".join(text.splitlines())


def _clip(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _cells(interval: Interval, *, signed: bool = False) -> tuple[str, str]:
    sign = "+" if signed else ""
    return f"{interval.value:{sign}.3f}", f"{interval.low:{sign}.3f} to {interval.high:{sign}.3f}"


def _interval(interval: Interval, *, signed: bool = False) -> str:
    value, bounds = _cells(interval, signed=signed)
    return f"{value} ({bounds})"


def _sure(decision: SearchDecision) -> str:
    return f"{decision.confidence:.3%} confidence, {_comparison_text(decision.comparison)}"


def _comparison_text(look: int) -> str:
    first = "first comparison on these rows"
    return first if look == 1 else f"comparison {look} on these rows or most of them"


def _value(value: float | None) -> str:
    return "too long" if value is None else f"{value:.3f}"


def _limit_text(limit: float | None) -> str:
    return "" if limit is None else f" of at most {limit:,}"
