"""Metrics: one file each, named as specs name it; how an answer compares with the wanted one.

A metric module has `VERSION`, `KIND`, `BETTER` ("higher" or "lower"), `RANGE` (its smallest and
largest value, the largest None where there is none), `UNIT` ("", "s", "tokens/s" or "bytes"),
`NEEDS_REFERENCE` (False where it judges an answer without the reference beside it), and, by its
`KIND`:

- `proportion`  `score(answers) -> list[float]`, 0 or 1 per row; its interval is Wilson's
- `rows`        `score(answers) -> list[float]`, a value per row; the metric is their mean
- `corpus`      `statistics(answers) -> array (rows, k)` that add up over rows, and
                `combine(sums: array (..., k)) -> array (...)`; the metric is `combine` of the sum
- `quantile`    `score(answers) -> list[float]` and `Q`, the quantile of them that it reports
- `speed`       as `corpus`: a ratio of sums over rows
- `size`        `folder_bytes(folder) -> float`: looks at the artefact, not at answers

A metric that describes the rows and estimates nothing, such as coverage, has `EXACT = True`: its
value comes without an interval.

`measure` gives any metric's plain value; intervals are made in `tidemill.engine.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, nan
from pathlib import Path
from types import ModuleType

from tidemill.answer import Answer
from tidemill.catalog import METRICS
from tidemill.rows import DatasetRow

__all__ = ["Answer", "Scored", "measure", "quantile"]


@dataclass(frozen=True)
class Scored:
    """One row, the answer it should have got, and the one it got."""

    reference: Answer
    answer: Answer
    seconds: float = 0.0
    """Time the answer took, in seconds."""
    tokens_out: int = 0
    """Tokens the model wrote."""
    row: DatasetRow = field(default_factory=dict)
    """The dataset's row."""


def measure(name: str, answers: Sequence[Scored], folder: Path | None = None) -> float:
    """The value of a metric on these answers; nan without answers. `size` needs the folder."""
    metric = METRICS.load(name)
    if metric.KIND == "size":
        return float(metric.folder_bytes(folder)) if folder else nan
    if not answers:
        return nan
    if metric.KIND in ("corpus", "speed"):
        return float(metric.combine(metric.statistics(answers).sum(axis=0)))
    values = metric.score(answers)
    return quantile(values, metric.Q) if metric.KIND == "quantile" else sum(values) / len(values)


def is_exact(metric: ModuleType) -> bool:
    """True for a metric that describes the rows, and neither estimates nor judges an answer."""
    return bool(getattr(metric, "EXACT", False))


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest of the values that at least a share `q` of them does not exceed, 0 < q <= 1.

    The only quantile of the platform: evaluations, guardrails and service health use this one (the
    inverse of the empirical distribution function; type 1 of Hyndman and Fan 1996), and
    `tidemill.engine.statistics.quantile_of` is its bootstrap form. Needs at least one value.
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(q * len(ordered) - 1e-9) - 1)]
