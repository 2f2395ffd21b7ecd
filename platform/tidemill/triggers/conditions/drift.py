"""Data drift: the labels or lengths of recent requests are distributed unlike those before."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from math import log
from typing import Literal

from pydantic import Field

from tidemill.spec.base import Duration, Frozen
from tidemill.triggers import AnswerRecord, ConditionResult, TriggerState

VERSION = 2
_BINS = 10


class Options(Frozen):
    """Options of `type: drift`."""

    of: Literal["label", "length"] = "label"
    """The class in the answer, or the length of the input in tenths of the reference."""
    above: float = Field(default=0.2, gt=0)
    """Limit of the population stability index; 0.1 is a little, 0.25 a lot (Siddiqi 2006)."""
    window: Duration = timedelta(days=1)
    """The recent stretch."""
    reference: Duration = timedelta(days=7)
    """The stretch before it that it is compared with."""
    at_least: int = Field(default=200, ge=20)
    """Fewest answers in each stretch."""


def holds(options: Options, state: TriggerState, now: datetime) -> ConditionResult:
    """Compare the recent window with the stretch before it, both after the last firing."""
    start = now - options.window
    back = start - options.reference
    recent = [a for a in state.answers if start < a.time <= now]
    before = [a for a in state.answers if back < a.time <= start]
    fewest = min(len(recent), len(before))
    if fewest < options.at_least:
        summary = f"{len(recent)} recent and {len(before)} earlier answers"
        return ConditionResult(False, f"{summary}; {options.at_least} of each are needed")
    if any(turn is not None and turn > start for turn in (state.last_fired, state.last_turn)):
        return ConditionResult(False, "the window began before the last firing")
    index = psi(*_bin_values(options.of, before, recent))
    numbers = {"psi": index, "recent": len(recent), "reference": len(before)}
    summary = f"the {options.of}s moved by a stability index of {index:.2f}"
    if index <= options.above:
        return ConditionResult(False, f"{summary}; the limit is {options.above:g}", None, numbers)
    return ConditionResult(True, f"{summary}, over the limit of {options.above:g}", now, numbers)


def psi(before: Sequence[Hashable], after: Sequence[Hashable]) -> float:
    """The population stability index Σ (q−p)·ln(q/p), with half a count added to each class."""
    p, q = Counter(before), Counter(after)
    classes = p.keys() | q.keys()

    def share(counts: Counter[Hashable], of: Hashable) -> float:
        return (counts[of] + 0.5) / (counts.total() + 0.5 * len(classes))

    return sum(
        (share(q, c) - share(p, c)) * log(share(q, c) / share(p, c))
        for c in sorted(classes, key=str)
    )


def _bin_values(
    of: str, before: Sequence[AnswerRecord], recent: Sequence[AnswerRecord]
) -> tuple[list[Hashable], list[Hashable]]:
    if of == "label":
        return [a.label for a in before], [a.label for a in recent]
    ordered = sorted(a.length for a in before)
    edges = [ordered[len(ordered) * i // _BINS] for i in range(1, _BINS)]
    return (
        [bisect_right(edges, a.length) for a in before],
        [bisect_right(edges, a.length) for a in recent],
    )
