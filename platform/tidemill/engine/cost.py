"""What building assets will probably take: time, memory and money, from what earlier builds took.

Nothing is invented: an asset without a history of its own or of its kind has no estimate. A median
comes with its spread, the 10th and the 90th percentile of the same builds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

BudgetName = Literal["hours", "money"]
_SIMILAR = 1.0
"""A run of e times as many rows weighs half of one of as many."""
_LONGEST_SCALE = 20.0
"""Beyond this factor an earlier build says nothing about this one."""
KINDS_THAT_SCALE = ("Dataset", "FineTune", "Evaluation")
"""Kinds whose time grows with their rows."""


@dataclass(frozen=True)
class BuildCost:
    """What building one asset once took."""

    project: str
    name: str
    kind: str
    seconds: float
    peak_bytes: int = 0
    rows: int | None = None
    """Rows it worked on, where the record says so."""


@dataclass(frozen=True)
class BudgetLimits:
    """What one build may take; None where there is no limit."""

    hours: float | None = None
    money: float | None = None


@dataclass(frozen=True)
class Workload:
    """An asset that will be built, and how much work that is."""

    project: str
    name: str
    kind: str
    rows: float | None = None
    """Rows it will work on, where that is known."""
    epoch_factor: float = 1.0
    """How many times as much work each row is as in its earlier builds (twice the epochs: 2)."""
    budget: BudgetLimits | None = None


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
    """What one build will probably take."""

    seconds: Spread
    memory: Spread | None
    """Largest resident memory in bytes."""
    money: Spread | None
    """In the currency of the price; None without a price."""
    runs: int
    """How many earlier builds it rests on."""
    basis: Literal["asset", "kind"]
    """Whether these are builds of the asset itself, or of other assets of this kind."""


@dataclass(frozen=True)
class BudgetExcess:
    """A budget that will probably be exceeded."""

    project: str
    name: str
    budget: BudgetName
    limit: float
    expected: float

    @property
    def excess(self) -> float:
        """How much more than the limit, in hours or in money."""
        return self.expected - self.limit


def estimate(
    workload: Workload, history: Iterable[BuildCost], price_per_hour: float | None = None
) -> Estimate | None:
    """From the asset's own builds if there are any, else from those of its kind; None where there
    are neither.

    Where rows are known on both sides, time is scaled by them for kinds that scale with rows, and
    builds of a similar size weigh more. Records of reused artefacts (0 seconds) do not count.
    """
    builds = [cost for cost in history if cost.kind == workload.kind and cost.seconds > 0]
    asset = (workload.project, workload.name)
    own = [cost for cost in builds if (cost.project, cost.name) == asset]
    epoch_factor = workload.epoch_factor if own else 1.0
    factors = [(cost, _size_factor(workload, cost, epoch_factor)) for cost in own or builds]
    used = [(cost, factor) for cost, factor in factors if factor is not None]
    if not used:
        return None
    weights = [1 / (1 + abs(log(factor)) / _SIMILAR) for _, factor in used]
    scales = workload.kind in KINDS_THAT_SCALE
    times = [cost.seconds * (factor if scales else 1.0) for cost, factor in used]
    seconds = weighted_spread(times, weights)
    return Estimate(
        seconds=seconds,
        memory=_memory([cost for cost, _ in used], weights),
        money=seconds.times(price_per_hour / 3600) if price_per_hour is not None else None,
        runs=len(used),
        basis="asset" if own else "kind",
    )


def total(estimates: Iterable[Estimate]) -> Estimate | None:
    """All of them one after the other: time and money add up, memory is the largest.

    The bounds add up as well, as if all were quick or slow together: wider than the truth, never
    narrower.
    """
    summands = list(estimates)
    if not summands:
        return None
    memory = [summand.memory for summand in summands if summand.memory]
    money = [summand.money for summand in summands if summand.money]
    return Estimate(
        seconds=_combine_spreads([summand.seconds for summand in summands], sum),
        memory=_combine_spreads(memory, max) if memory else None,
        money=_combine_spreads(money, sum) if money else None,
        runs=sum(summand.runs for summand in summands),
        basis="asset" if all(summand.basis == "asset" for summand in summands) else "kind",
    )


def budget_excess(workload: Workload, expected: Estimate | None) -> tuple[BudgetExcess, ...]:
    """Where the median is beyond the budget; without an estimate nothing is claimed."""
    if expected is None or workload.budget is None:
        return ()
    limits = workload.budget
    money = expected.money.median if expected.money else None
    budgets: tuple[tuple[BudgetName, float | None, float | None], ...] = (
        ("hours", limits.hours, expected.seconds.median / 3600),
        ("money", limits.money, money),
    )
    return tuple(
        BudgetExcess(workload.project, workload.name, name, float(limit), value)
        for name, limit, value in budgets
        if limit is not None and value is not None and value > limit
    )


def weighted_spread(values: Sequence[float], weights: Sequence[float]) -> Spread:
    """Weighted percentiles: the smallest value that covers at least that share of the weight."""
    ordered = sorted(zip(values, weights, strict=True))
    total_weight = sum(weights)

    def percentile(share: float) -> float:
        covered = 0.0
        for value, weight in ordered:
            covered += weight
            if covered >= share * total_weight - 1e-12 * total_weight:
                return value
        return ordered[-1][0]

    return Spread(percentile(0.1), percentile(0.5), percentile(0.9))


def _memory(builds: Sequence[BuildCost], weights: Sequence[float]) -> Spread | None:
    """Of the builds whose peak is known."""
    pairs = zip(builds, weights, strict=True)
    peaks = [(float(cost.peak_bytes), weight) for cost, weight in pairs if cost.peak_bytes > 0]
    return weighted_spread(*map(list, zip(*peaks, strict=True))) if peaks else None


def _size_factor(workload: Workload, build: BuildCost, epoch_factor: float) -> float | None:
    """How many times as much work it is as an earlier build, as far as sizes are known; None where
    it is so far off that the earlier build says nothing."""
    rows = workload.rows / build.rows if workload.rows and build.rows else 1.0
    factor = rows * epoch_factor
    return factor if 1 / _LONGEST_SCALE <= factor <= _LONGEST_SCALE else None


def _combine_spreads(spreads: Sequence[Spread], combine: Callable[[list[float]], float]) -> Spread:
    return Spread(
        combine([spread.low for spread in spreads]),
        combine([spread.median for spread in spreads]),
        combine([spread.high for spread in spreads]),
    )
