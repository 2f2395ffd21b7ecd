"""Does a transformed model still answer the same? Hop by hop, the guilty one named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tidemill.answer import Answer
from tidemill.catalog import METRICS
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
    agreement: float | None
    """Share of rows answered the same, label and text; None where nothing could be run."""
    labels: float | None = None
    """Share of rows with the same label; None where answers have none."""
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


def same(one: Answer, other: Answer) -> bool:
    """Same label and same text, white space aside; two answers that cannot be read are the same
    only where their texts are."""
    return one.label == other.label and one.text.split() == other.text.split()


def compare(
    step: str, kind: str, before: Sequence[Scored], after: Sequence[Scored], metrics: Sequence[str]
) -> Hop:
    """The hop between two forms that answered the same rows in the same order."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} answers before and {len(after)} after: not the same rows")
    pairs = [(a.answer, b.answer) for a, b in zip(before, after, strict=True)]
    labelled = [(a, b) for a, b in pairs if a.label is not None or b.label is not None]
    return Hop(
        step=step,
        kind=kind,
        rows=len(pairs),
        agreement=_share([same(a, b) for a, b in pairs]),
        labels=_share([a.label == b.label for a, b in labelled]),
        loss={name: _worse(name, measure(name, before), measure(name, after)) for name in metrics},
    )


def judge(hops: Sequence[Hop], min_agreement: float) -> Verdict:
    """The point estimate is held against the budget, since it says how many of *these* rows may
    differ: on 64 rows even full agreement has a lower bound below 0.95."""
    run = [hop for hop in hops if hop.agreement is not None]
    broken = [hop for hop in run if (hop.agreement or 0.0) < min_agreement]
    if not broken:
        least = min(run, key=lambda hop: hop.agreement or 0.0, default=None)
        said = f"least alike after '{least.step}': {_alike(least)}" if least else "nothing was run"
        return Verdict(True, None, f"{len(run)} hops checked; {said}")
    worst = min(broken, key=lambda hop: hop.agreement or 0.0)
    message = (
        f"'{worst.step}' changed the answers: {_alike(worst)}, and min_agreement is "
        f"{min_agreement:.1%}; make that step milder, drop it, or lower equivalence.min_agreement"
    )
    return Verdict(False, worst.step, message)


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


def _alike(hop: Hop) -> str:
    agreed = round((hop.agreement or 0.0) * hop.rows)
    return f"{agreed} of {hop.rows} rows answered the same ({hop.agreement or 0.0:.1%})"
