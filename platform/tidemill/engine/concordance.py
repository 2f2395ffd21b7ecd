"""How far two models agree on the same rows, in the terms of their task, with confidence bounds.

The basis is what the task is about: `label` where answers have one, `answer` where they are data
(a JSON value). A `text` is judged by a metric, of which the share that was not lost is taken, and
its name becomes the basis. Free text is never compared word by word here: its words change with the
last digits of a sum, and those differ between processors, thread counts and batch sizes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

from tidemill.catalog import METRICS
from tidemill.engine.estimate import gain
from tidemill.engine.statistics import Interval, clopper_pearson
from tidemill.metrics import Scored

LABEL, ANSWER, TEXT = "label", "answer", "text"
CONFIDENCE = 0.95
BOOTSTRAP_ROWS = 30
"""Fewer rows make a bootstrap too sure of itself; the exact interval is taken instead."""


@dataclass(frozen=True)
class Agreement:
    """A share in 0..1 with its bounds, and what was compared."""

    basis: str
    share: Interval

    def __str__(self) -> str:
        share = self.share
        bounds = f"{share.value:.1%}, 95% interval {share.low:.1%} to {share.high:.1%}"
        if self.basis not in (LABEL, ANSWER):
            return f"{self.basis} kept on {share.rows} rows ({bounds})"
        same = round(share.value * share.rows)
        return f"{same} of {share.rows} rows have the same {self.basis} ({bounds})"


def agree(
    before: Sequence[Scored], after: Sequence[Scored], basis: str, metrics: Sequence[str]
) -> Agreement:
    """Agreement on the same rows in the same order.

    Rows that neither model labelled say nothing about labels and are left out. Texts, and labels
    that no row has, are judged by the first of the metrics with a finite range (by ROUGE-L without
    one).
    """
    pairs = [(a.answer, b.answer) for a, b in zip(before, after, strict=True)]
    if basis == ANSWER:
        return _exact_share(ANSWER, [a.text == b.text for a, b in pairs])
    if basis == LABEL:
        labels = [(a.label, b.label) for a, b in pairs if a.label or b.label]
        if labels:
            return _exact_share(LABEL, [a == b for a, b in labels])
    metric = next((name for name in metrics if METRICS.load(name).RANGE[1] is not None), "rouge_l")
    return Agreement(metric, _metric_share(metric, before, after))


def surely_below(share: Interval, limit: float) -> bool:
    """True where the upper bound lies below the limit: chance does not explain it."""
    return share.rows > 0 and share.high < limit


def rows_needed(value: float, limit: float) -> int | None:
    """About how many rows show a share of `value` to be surely below `limit`; None where it is
    not below by a millionth.

    The normal approximation with Fleiss's correction for counts (Fleiss 1981, section 3.2).
    """
    apart = limit - value
    if apart < 1e-6:
        return None
    rows = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) ** 2 * limit * (1 - limit) / apart**2
    return ceil(rows / 4 * (1 + sqrt(1 + 2 / (rows * apart))) ** 2) if limit < 1 else 1


def detectable(rows: int, limit: float) -> float | None:
    """The largest share that so many rows show to be surely below `limit`; None without one."""
    above = bisect_left(range(rows + 1), True, key=lambda k: not _below(k, rows, limit))
    return (above - 1) / rows if above and rows else None


def _exact_share(basis: str, same: Sequence[bool]) -> Agreement:
    return Agreement(basis, clopper_pearson(sum(same), len(same), CONFIDENCE))


def _metric_share(metric: str, before: Sequence[Scored], after: Sequence[Scored]) -> Interval:
    """1 minus the loss in parts of the metric's range: paired bootstrap, exact on few rows."""
    module, rows = METRICS.load(metric), len(before)
    width = float(module.RANGE[1] - module.RANGE[0])
    gained = gain(metric, after, before, confidence=CONFIDENCE)
    bounds = (gained.value, gained.low, gained.high)
    value, low, high = (min(1.0, max(0.0, 1 + bound / width)) for bound in bounds)
    if rows < BOOTSTRAP_ROWS or low == high:
        exact = clopper_pearson(ceil(value * rows - 1e-9), rows, CONFIDENCE)
        return Interval(value, min(value, exact.low), exact.high, rows)
    return Interval(value, low, high, rows)


def _below(same: int, rows: int, limit: float) -> bool:
    return surely_below(clopper_pearson(same, rows, CONFIDENCE), limit)
