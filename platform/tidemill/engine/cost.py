"""What making assets will probably take: time, memory and money, from what making them has taken.

Nothing is invented: an asset without a past of its own or of its kind has no estimate. A median
comes with its spread, the 10th and the 90th percentile of the same past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Literal

_SIMILAR = 1.0
"""A run of e times as many rows weighs half of one of as many."""
_LONGEST_SCALE = 20.0
"""Beyond this factor a past run says nothing about this one."""
GROWS = ("Dataset", "FineTune", "Evaluation")
"""Kinds whose time grows with their rows."""


@dataclass(frozen=True)
class Past:
    """One asset made once."""

    project: str
    name: str
    kind: str
    seconds: float
    peak_bytes: int = 0
    rows: int | None = None
    """Rows it worked on, where the record says so."""


@dataclass(frozen=True)
class Wanted:
    """An asset that will be made."""

    project: str
    name: str
    kind: str
    rows: float | None = None
    """Rows it will work on, where that is known."""
    longer: float = 1.0
    """How many times as much work each row is as in its own past (twice the epochs: 2)."""
    budget: Mapping[str, Any] | None = None
    """`hours` and `money` one run may take."""


@dataclass(frozen=True)
class Spread:
    """10th percentile, median, 90th percentile."""

    low: float
    median: float
    high: float

    def times(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(self.low * factor, self.median * factor, self.high * factor)


@dataclass(frozen=True)
class Estimate:
    """What one run will probably take."""

    seconds: Spread
    memory: Spread | None
    """Largest resident memory in bytes."""
    money: Spread | None
    """In the currency of the price; None without a price."""
    runs: int
    """How many past runs it rests on."""
    basis: Literal["asset", "kind"]
    """Whether these are runs of the asset itself, or of others of its kind."""


@dataclass(frozen=True)
class Excess:
    """A budget that will probably not do."""

    project: str
    name: str
    what: Literal["hours", "money"]
    limit: float
    expected: float

    @property
    def by(self) -> float:
        """How much more than the budget."""
        return self.expected - self.limit


def estimate(
    wanted: Wanted, past: Iterable[Past], price_per_hour: float | None = None
) -> Estimate | None:
    """The asset's own past if it has one, else that of its kind; None where there is neither.

    Where rows are known on both sides, time is scaled by them for kinds that grow with rows, and
    runs of a similar size weigh more. Records of reused artefacts (0 seconds) are no past.
    """
    made = [one for one in past if one.kind == wanted.kind and one.seconds > 0]
    own = [one for one in made if (one.project, one.name) == (wanted.project, wanted.name)]
    longer = wanted.longer if own else 1.0
    factors = [(one, _factor(wanted, one, longer)) for one in own or made]
    used = [(one, factor) for one, factor in factors if factor is not None]
    if not used:
        return None
    weights = [1 / (1 + abs(log(factor)) / _SIMILAR) for _, factor in used]
    grows = wanted.kind in GROWS
    times = [one.seconds * (factor if grows else 1.0) for one, factor in used]
    memory = [(float(one.peak_bytes), w) for (one, _), w in zip(used, weights, strict=True)]
    seconds = spread(times, weights)
    known = [(value, weight) for value, weight in memory if value > 0]
    return Estimate(
        seconds=seconds,
        memory=spread(*map(list, zip(*known, strict=True))) if known else None,
        money=seconds.times(price_per_hour / 3600) if price_per_hour is not None else None,
        runs=len(used),
        basis="asset" if own else "kind",
    )


def total(estimates: Iterable[Estimate]) -> Estimate | None:
    """All of them one after the other: time and money add up, memory is the largest.

    The bounds add up as well, as if all were quick or slow together: wider than the truth, never
    narrower.
    """
    given = list(estimates)
    if not given:
        return None
    memory = [one.memory for one in given if one.memory]
    money = [one.money for one in given if one.money]
    return Estimate(
        seconds=_added([one.seconds for one in given], sum),
        memory=_added(memory, max) if memory else None,
        money=_added(money, sum) if money else None,
        runs=sum(one.runs for one in given),
        basis="asset" if all(one.basis == "asset" for one in given) else "kind",
    )


def excess(wanted: Wanted, expected: Estimate | None) -> tuple[Excess, ...]:
    """Where the median is beyond the budget; without an estimate nothing is claimed."""
    if expected is None or not wanted.budget:
        return ()
    hours = expected.seconds.median / 3600
    found = []
    for what, value in (("hours", hours), ("money", expected.money and expected.money.median)):
        limit = wanted.budget.get(what)
        if limit is not None and value is not None and value > limit:
            found.append(Excess(wanted.project, wanted.name, what, float(limit), value))  # type: ignore[arg-type]
    return tuple(found)


def spread(values: Sequence[float], weights: Sequence[float]) -> Spread:
    """Weighted percentiles: the smallest value that holds at least that share of the weight."""
    ordered = sorted(zip(values, weights, strict=True))
    whole = sum(weights)

    def at(share: float) -> float:
        held = 0.0
        for value, weight in ordered:
            held += weight
            if held >= share * whole - 1e-12 * whole:
                return value
        return ordered[-1][0]

    return Spread(at(0.1), at(0.5), at(0.9))


def _factor(wanted: Wanted, one: Past, longer: float) -> float | None:
    """How many times as much work the wanted one is, as far as sizes are known; None where it is
    so far off that the past run says nothing."""
    rows = wanted.rows / one.rows if wanted.rows and one.rows else 1.0
    factor = rows * longer
    return factor if 1 / _LONGEST_SCALE <= factor <= _LONGEST_SCALE else None


def _added(spreads: Sequence[Spread], how: Callable[[list[float]], float]) -> Spread:
    return Spread(
        how([one.low for one in spreads]),
        how([one.median for one in spreads]),
        how([one.high for one in spreads]),
    )
