"""Goals of a compression: whether a metric kept its limit, and which step lost most of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidemill.catalog import METRICS
from tidemill.spec.compression import Goal


class StepLoss(Protocol):
    """What one step of a compression lost."""

    @property
    def step(self) -> str:
        """The step's name."""

    @property
    def loss(self) -> Mapping[str, float]:
        """How much worse each metric became."""


@dataclass(frozen=True)
class GoalResult:
    """The result of one goal."""

    metric: str
    passed: bool
    message: str
    value: float
    failed_step: str | None = None
    """The step that lost most of this metric, where the goal was missed."""


def check_goal(
    goal: Goal,
    before: float,
    after: float,
    hops: Sequence[StepLoss],
    metric: str | None = None,
) -> GoalResult:
    """Compare a metric before and after compression with its goal."""
    name = metric or goal.metric
    lost = metric_loss(name, before, after)
    ratio = after / before if before else float("inf")
    if goal.at_least is not None:
        passed, comparison = after >= goal.at_least, f"at least {goal.at_least:g} was asked"
    elif goal.at_most is not None:
        passed, comparison = after <= goal.at_most, f"at most {goal.at_most:g} was asked"
    elif goal.max_degradation is not None:
        passed = lost <= goal.max_degradation
        comparison = f"{lost:.4g} worse than before, at most {goal.max_degradation:g} was asked"
    else:
        limit = goal.max_ratio or 0.0
        passed, comparison = ratio <= limit, f"{ratio:.3g} times what it was, {limit:g} was asked"
    failed_step = None if passed else _most_lost(name, hops)
    suffix = f"; most of it in '{failed_step}'" if failed_step else ""
    return GoalResult(
        name, passed, f"{name} is {after:.4g}: {comparison}{suffix}", after, failed_step
    )


def metric_loss(name: str, before: float, after: float) -> float:
    """How much worse a metric became, in its own unit; negative where it became better."""
    return before - after if METRICS.load(name).BETTER == "higher" else after - before


def _most_lost(name: str, hops: Sequence[StepLoss]) -> str | None:
    losses = [(hop.loss.get(name, 0.0), hop.step) for hop in hops]
    most = max(losses, default=(0.0, ""))
    return most[1] if most[0] > 0 else None
