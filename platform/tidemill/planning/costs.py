"""Estimates of a plan's assets, from the ledger's past and the size of their data on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidemill.engine.cost import Estimate, Past, Wanted, estimate
from tidemill.engine.plan import Item, Known

if TYPE_CHECKING:
    from tidemill.pipeline.preview import DataDifference

_SPLIT = {"FineTune": "train", "Evaluation": "test"}
"""The split of its dataset that a kind works on."""


@dataclass(frozen=True)
class Costs:
    """What is known about the past, and about the data as it will be."""

    past: Sequence[Past]
    wanted: Mapping[str, Known]
    built: Mapping[str, Known]
    data: Mapping[str, DataDifference] = field(default_factory=dict)
    """Datasets that differ, by `project/name`."""
    price_per_hour: float | None = None

    def wish(self, item: Item) -> Wanted:
        """An asset with the size it will have."""
        values = self.wanted[item.key].values
        return Wanted(
            item.project,
            item.name,
            item.kind,
            rows=self._rows(item, values),
            longer=self._longer(item),
            budget=values.get("budget"),
        )

    def of(self, item: Item) -> Estimate | None:
        """What making it will probably take."""
        return estimate(self.wish(item), self.past, self.price_per_hour)

    def _rows(self, item: Item, values: Mapping[str, Any]) -> float | None:
        name = item.name if item.kind == "Dataset" else values.get("dataset")
        data = self.data.get(f"{item.project}/{name}")
        split = _SPLIT.get(item.kind)
        own = (one for one in self.past if (one.project, one.name) == (item.project, item.name))
        last = next((one.rows for one in own if one.rows), None)
        if last is not None:
            return last * _growth(data, split)
        after = _counts(data, split)[1] if data else 0
        return float(after) if after else None

    def _longer(self, item: Item) -> float:
        """How many times the epochs of before."""
        before = self.built.get(item.key)
        epochs = [_epochs(side.values) for side in (self.wanted[item.key], before) if side]
        return epochs[0] / epochs[1] if len(epochs) == 2 and all(epochs) else 1.0


def _epochs(values: Mapping[str, Any]) -> float:
    return float((values.get("train") or {}).get("epochs") or 0)


def _growth(data: DataDifference | None, split: str | None) -> float:
    before, after = _counts(data, split) if data else (0, 0)
    return after / before if before and after else 1.0


def _counts(data: DataDifference, split: str | None) -> tuple[int, int]:
    """Rows before and after: of one split, or of all."""
    chosen = [data.rows.splits[split]] if split else list(data.rows.splits.values())
    return sum(one.before for one in chosen), sum(one.after for one in chosen)
