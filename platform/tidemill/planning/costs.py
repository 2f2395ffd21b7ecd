"""Estimates of a plan's builds, from earlier builds and the size of their data on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidemill.engine.cost import BudgetLimits, BuildCost, Estimate, Workload, estimate
from tidemill.engine.plan import PlanEntry
from tidemill.engine.spec_snapshot import SpecSnapshot

if TYPE_CHECKING:
    from tidemill.pipeline.preview import DataDifference

_SPLIT = {"FineTune": "train", "Evaluation": "test"}
"""The split of its dataset that a kind works on."""


@dataclass(frozen=True)
class CostEstimator:
    """Estimates assets of one plan."""

    history: Sequence[BuildCost]
    """Earlier builds of the kinds that are rebuilt, newest first."""
    desired: Mapping[str, SpecSnapshot]
    former: Mapping[str, SpecSnapshot]
    data: Mapping[str, DataDifference] = field(default_factory=dict)
    """Datasets that differ, by `project/name`."""
    price_per_hour: float | None = None

    def workload(self, entry: PlanEntry) -> Workload:
        """The asset with the size that it will have."""
        fields = self.desired[entry.key].fields
        budget = fields.get("budget")
        return Workload(
            entry.project,
            entry.name,
            entry.kind,
            rows=self._rows(entry, fields.get("dataset")),
            epoch_factor=self._epoch_factor(entry),
            budget=BudgetLimits(**budget) if budget else None,
        )

    def estimate(self, entry: PlanEntry) -> Estimate | None:
        """What building it will probably take; None where there is no history."""
        return estimate(self.workload(entry), self.history, self.price_per_hour)

    def _rows(self, entry: PlanEntry, dataset: str | None) -> float | None:
        name = entry.name if entry.kind == "Dataset" else dataset
        data = self.data.get(f"{entry.project}/{name}")
        split = _SPLIT.get(entry.kind)
        own = (
            cost
            for cost in self.history
            if (cost.project, cost.name) == (entry.project, entry.name)
        )
        last = next((cost.rows for cost in own if cost.rows), None)
        if last is not None:
            return last * _growth(data, split)
        after = _counts(data, split)[1] if data else 0
        return float(after) if after else None

    def _epoch_factor(self, entry: PlanEntry) -> float:
        """The epochs as a multiple of those of the former spec."""
        specs = (self.desired[entry.key], self.former.get(entry.key))
        epochs = [_epochs(spec) for spec in specs if spec]
        return epochs[0] / epochs[1] if len(epochs) == 2 and all(epochs) else 1.0


def _epochs(spec: SpecSnapshot) -> float:
    return float((spec.fields.get("train") or {}).get("epochs") or 0)


def _growth(data: DataDifference | None, split: str | None) -> float:
    before, after = _counts(data, split) if data else (0, 0)
    return after / before if before and after else 1.0


def _counts(data: DataDifference, split: str | None) -> tuple[int, int]:
    """Rows before and after: of one split, or of all."""
    every = data.rows.splits
    splits = [every[split]] if split else list(every.values())
    return sum(counts.before for counts in splits), sum(counts.after for counts in splits)
