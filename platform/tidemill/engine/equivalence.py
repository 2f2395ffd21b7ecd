"""Does a transformed model still do its task? Hop by hop, the guilty one named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tidemill.catalog import METRICS
from tidemill.engine.concordance import (
    LABEL,
    Agreement,
    agree,
    detectable,
    rows_needed,
    surely_below,
)
from tidemill.engine.statistics import Interval
from tidemill.metrics import Scored, measure
from tidemill.spec.compression import Goal


@dataclass(frozen=True)
class Hop:
    """One transformation, with the same rows answered before and after it."""

    step: str
    """The step's or target's name."""
    kind: str
    """Kind of the artefact it gave."""
    rows: int
    """Rows the agreement was counted on."""
    agreement: float | None
    """How far the task's answers stayed (see `engine.concordance`); None where it was not run."""
    low: float = 0.0
    high: float = 1.0
    """The agreement's bounds."""
    basis: str = LABEL
    """What was compared: `label`, `answer`, or a metric's name."""
    texts: float | None = None
    """Share of rows with the same text, word by word. Only for information: one last digit changes
    a word, and last digits differ between processors."""
    loss: Mapping[str, float] = field(default_factory=dict)
    """How much worse each metric became, in its own unit; negative where it became better."""
    bytes: int = 0
    ratio: float = 1.0
    """Bytes against the form before compression."""
    seconds: float = 0.0
    """Time the transformation took."""
    note: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """As tables and records keep it."""
        flat = asdict(self)
        losses = flat.pop("loss")
        return {**flat, **{f"{name} lost": value for name, value in losses.items()}}


@dataclass(frozen=True)
class Verdict:
    """Whether the chain holds, and if not, which hop broke it."""

    passed: bool
    guilty: str | None
    message: str


@dataclass(frozen=True)
class Reached:
    """What one goal asked and what was reached."""

    metric: str
    passed: bool
    message: str
    value: float
    guilty: str | None = None
    """The hop that lost most of this metric, where the goal was missed."""


def compare(
    step: str,
    kind: str,
    before: Sequence[Scored],
    after: Sequence[Scored],
    metrics: Sequence[str],
    basis: str = LABEL,
) -> Hop:
    """The hop between two forms that answered the same rows in the same order."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} answers before and {len(after)} after: not the same rows")
    found = agree(before, after, basis, metrics)
    pairs = zip(before, after, strict=True)
    return Hop(
        step=step,
        kind=kind,
        rows=found.share.rows,
        agreement=found.share.value,
        low=found.share.low,
        high=found.share.high,
        basis=found.basis,
        texts=_share([a.answer.text.split() == b.answer.text.split() for a, b in pairs]),
        loss={name: _worse(name, measure(name, before), measure(name, after)) for name in metrics},
    )


def not_run(step: str, kind: str, note: str) -> Hop:
    """A hop that nothing was asked of: it has no agreement, and stops nothing."""
    return Hop(step, kind, 0, None, note=note)


def judge(hops: Sequence[Hop], min_agreement: float) -> Verdict:
    """A hop is guilty where its agreement is surely below the limit: its upper bound is.

    A right hop is so refused at most once in forty times where its true agreement is the limit
    itself, and less above it, on any number of rows. What few rows cannot show is said.
    """
    run = [hop for hop in hops if hop.agreement is not None]
    broken = [hop for hop in run if surely_below(_interval(hop), min_agreement)]
    if broken:
        worst = min(broken, key=_kept)
        return Verdict(
            False,
            worst.step,
            f"'{worst.step}' changed the answers: {_alike(worst)}, and min_agreement is "
            f"{min_agreement:.1%}; make that step milder, drop it, or lower "
            "equivalence.min_agreement",
        )
    parts = [f"{len(run)} hops checked"]
    if run:
        least = min(run, key=_kept)
        parts += [f"least alike after '{least.step}': {_alike(least)}"]
        parts += [_power(least, min_agreement)]
    parts += [f"'{hop.step}' was not run" for hop in hops if hop.agreement is None]
    return Verdict(True, None, "; ".join(parts))


def reached(
    goal: Goal, before: float, after: float, hops: Sequence[Hop], metric: str | None = None
) -> Reached:
    """Whether a goal was reached by a value before compression and one after."""
    name = metric or goal.metric
    lost = _worse(name, before, after)
    ratio = after / before if before else float("inf")
    if goal.at_least is not None:
        passed, said = after >= goal.at_least, f"at least {goal.at_least:g} was asked"
    elif goal.at_most is not None:
        passed, said = after <= goal.at_most, f"at most {goal.at_most:g} was asked"
    elif goal.max_degradation is not None:
        passed = lost <= goal.max_degradation
        said = f"{lost:.4g} worse than before, at most {goal.max_degradation:g} was asked"
    else:
        limit = goal.max_ratio or 0.0
        passed, said = ratio <= limit, f"{ratio:.3g} times what it was, {limit:g} was asked"
    guilty = None if passed else _most_lost(name, hops)
    tail = f"; most of it in '{guilty}'" if guilty else ""
    return Reached(name, passed, f"{name} is {after:.4g}: {said}{tail}", after, guilty)


def sized(hop: Hop, size: int, source: float, seconds: float, note: str = "") -> Hop:
    """The hop with what its artefact weighs and what it took."""
    ratio = size / source if source else 1.0
    return replace(hop, bytes=size, ratio=ratio, seconds=seconds, note=note)


def _most_lost(name: str, hops: Sequence[Hop]) -> str | None:
    losses = [(hop.loss.get(name, 0.0), hop.step) for hop in hops]
    most = max(losses, default=(0.0, ""))
    return most[1] if most[0] > 0 else None


def _worse(name: str, before: float, after: float) -> float:
    return before - after if METRICS.load(name).BETTER == "higher" else after - before


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _kept(hop: Hop) -> float:
    return hop.agreement if hop.agreement is not None else 1.0


def _interval(hop: Hop) -> Interval:
    return Interval(_kept(hop), hop.low, hop.high, hop.rows)


def _alike(hop: Hop) -> str:
    return str(Agreement(hop.basis, _interval(hop)))


def _power(hop: Hop, limit: float) -> str:
    """What so many rows can tell, and how many would be needed for more."""
    if _kept(hop) < limit:
        needed = rows_needed(_kept(hop), limit)
        more = f"about {needed} would show it" if needed else "no number of rows shows it"
        return f"below min_agreement {limit:.1%}, but on {hop.rows} rows that may be chance: {more}"
    least = detectable(hop.rows, limit)
    if least is None:
        return f"{hop.rows} rows are too few to refuse anything at {limit:.1%}"
    return f"{hop.rows} rows show a step that keeps {least:.1%} or less"
