"""Weights of subjects in a rate: a cap on the ratings that count of one subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median_low


def rating_cap(counts: Iterable[int], share: float) -> float:
    """The most ratings of one subject that count, so that none has more than `share` of the total.

    Solves c = share · Σ min(n, c), but never cuts below the median subject: with too few subjects
    (near 1/share) nobody could keep to the share, and only those far above the others are cut.
    """
    ordered = sorted(counts)
    if not ordered:
        return 0.0
    return max(_exact(ordered, share), float(median_low(ordered)))


def capped_weights(counts: Iterable[int], share: float) -> list[float]:
    """The weight of each subject, in the order of `counts`: its ratings up to the cap."""
    ratings = list(counts)
    most = rating_cap(ratings, share)
    return [min(float(n), most) for n in ratings]


def weighted_mean(means: Mapping[str, tuple[int, float]], share: float) -> tuple[float, float]:
    """Weighted mean and total weight of subject → (ratings, mean); (0, 0) without any."""
    weights = capped_weights((n for n, _ in means.values()), share)
    total = sum(weights)
    if not total:
        return 0.0, 0.0
    pairs = zip(weights, means.values(), strict=True)
    return sum(w * mean for w, (_, mean) in pairs) / total, total


def _exact(ordered: list[int], share: float) -> float:
    below, above = 0, len(ordered)
    for count in ordered:
        rest = 1 - share * above
        if rest > 0 and share * below / rest <= count:
            return share * below / rest
        below, above = below + count, above - 1
    return float(ordered[-1])
