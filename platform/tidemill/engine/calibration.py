"""Does a classifier know how sure it may be? Its confidence against how often it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.engine.statistics import wilson

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence."""

    low: float
    high: float
    """Confidences in (low, high]; the first bin holds 0 as well."""
    rows: int
    confidence: float
    """Their mean confidence."""
    accuracy: float
    """Share of them that was right."""
    accuracy_low: float
    accuracy_high: float
    """Wilson's interval of that share."""


def calibration_bins(
    answers: Sequence[tuple[float, bool]], *, count: int = BINS, confidence: float = 0.95
) -> tuple[Bin, ...]:
    """Non-empty bins of equal width over [0, 1], from (confidence of the given label, right)."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for sure, right in answers:
        clipped = min(max(sure, 0.0), 1.0)
        groups.setdefault(_bin_index(clipped, count), []).append((clipped, right))
    return tuple(_bin(index, groups[index], count, confidence) for index in sorted(groups))


def expected_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: |accuracy - confidence| of each bin, weighted by its rows.

    Naeini, Cooper and Hauskrecht 2015. None without answers. It is biased upwards on few rows.
    """
    rows = sum(bin_.rows for bin_ in bins)
    gaps = sum(bin_.rows * abs(bin_.accuracy - bin_.confidence) for bin_ in bins)
    return gaps / rows if rows else None


def _bin_index(value: float, count: int) -> int:
    """The bin of a value in [0, 1]; an edge belongs to the bin below it."""
    index = int(value * count)
    return max(index - 1, 0) if index == value * count else index


def _bin(index: int, members: Sequence[tuple[float, bool]], count: int, confidence: float) -> Bin:
    right = sum(ok for _, ok in members)
    interval = wilson(right, len(members), confidence)
    return Bin(
        low=index / count,
        high=(index + 1) / count,
        rows=len(members),
        confidence=sum(sure for sure, _ in members) / len(members),
        accuracy=right / len(members),
        accuracy_low=interval.low,
        accuracy_high=interval.high,
    )
