"""A metric with its confidence bounds, and its gain on a baseline over the same rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import Any

from tidemill.catalog import METRICS
from tidemill.engine.paired_proportions import half_width_alike, paired_proportion_interval
from tidemill.engine.statistics import (
    Interval,
    Statistic,
    bootstrap_of,
    combined_statistic,
    mean_of,
    paired_difference,
    quantile_of,
    wilson,
)
from tidemill.metrics import Scored, is_exact, measure
from tidemill.rows import DatasetRow

Clusters = Sequence[Hashable] | None


def estimate(
    name: str,
    answers: Sequence[Scored],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    size: float | None = None,
    clusters: Clusters = None,
) -> Interval:
    """Wilson's interval for a proportion, none for an `EXACT` metric, the bootstrap's for
    everything else.

    `size` is the artefact's, for the metric of that name; `clusters` are the rows' subjects, where
    one subject has several rows.
    """
    metric = METRICS.load(name)
    n = len(answers)
    if metric.KIND == "size":
        return _exact(size, n)
    if is_exact(metric):
        return _exact(measure(name, answers), n)
    if metric.KIND == "proportion" and clusters is None:
        return wilson(sum(metric.score(answers)), n, confidence)
    statistic = _statistic(metric, answers) if n else mean_of(())
    bounded = metric.RANGE == (0.0, 1.0)
    method = _method(metric)
    return bootstrap_of(
        statistic, n, confidence, seed, clusters=clusters, method=method, bounded=bounded
    )


def gain(
    name: str,
    candidate: Sequence[Scored],
    baseline: Sequence[Scored],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    sizes: tuple[float | None, float | None] = (None, None),
    clusters: Clusters = None,
) -> Interval:
    """How much better the candidate is on the same rows in the same order; more is always better.

    For a metric of which less is better (latency, size) the gain is what was saved. Proportions
    have the adjusted Wald interval, everything else the bootstrap's; where no row differs in a
    metric from 0 to 1, the interval is as wide as that of a proportion.
    """
    metric = METRICS.load(name)
    first, second = (candidate, baseline) if metric.BETTER == "higher" else (baseline, candidate)
    n = len(candidate)
    if metric.KIND == "size":
        mine, theirs = sizes
        return _exact(None if mine is None or theirs is None else theirs - mine, n)
    if n == 0:
        return bootstrap_of(mean_of(()), 0)
    if is_exact(metric):
        return _exact(measure(name, first) - measure(name, second), n)
    if metric.KIND == "proportion":
        scores = zip(metric.score(first), metric.score(second), strict=True)
        differences = [mine - theirs for mine, theirs in scores]
        return paired_proportion_interval(differences, clusters=clusters, confidence=confidence)
    statistic = paired_difference(_statistic(metric, first), _statistic(metric, second))
    drawn = bootstrap_of(statistic, n, confidence, seed, clusters=clusters, method=_method(metric))
    if drawn.low < drawn.high or metric.RANGE != (0.0, 1.0):
        return drawn
    half = half_width_alike(len(set(clusters)) if clusters else n, confidence)
    return Interval(drawn.value, max(-1.0, drawn.low - half), min(1.0, drawn.high + half), n)


def subjects(rows: Sequence[DatasetRow]) -> Clusters:
    """The rows' subjects as clusters; None where no subject has two rows."""
    named = [row.get("subject") for row in rows]
    identified = [subject for subject in named if subject]
    if len(identified) == len(set(identified)):
        return None
    return [subject or ("row", index) for index, subject in enumerate(named)]


def units(names: Sequence[str]) -> dict[str, str]:
    """The unit of each metric."""
    return {name: METRICS.load(name).UNIT for name in names}


def _statistic(metric: ModuleType, answers: Sequence[Scored]) -> Statistic:
    if metric.KIND in ("corpus", "speed"):
        return combined_statistic(metric.statistics(answers), metric.combine)
    values = metric.score(answers)
    return quantile_of(values, metric.Q) if metric.KIND == "quantile" else mean_of(values)


def _method(metric: ModuleType) -> Any:
    return "percentile" if metric.KIND == "quantile" else "bca"


def _exact(value: float | None, n: int) -> Interval:
    number = float("nan") if value is None else value
    return Interval(number, number, number, n)
