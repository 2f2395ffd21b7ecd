"""No subject may weigh more than its share, however much it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.data.rows import FEEDBACK
from tidemill.rows import MutableRow


def cap(rows: Sequence[MutableRow], share: float) -> int:
    """Scale the weights of feedback rows so that no subject holds more than `share` of all
    weight; changes rows in place and gives the number of subjects that were scaled.

    Where even equal subjects would hold more (fewer than 1/share of them and no other rows),
    they are made equal.
    """
    weight_by_subject: dict[str, float] = {}
    others = 0.0
    for row in rows:
        if row.get(FEEDBACK) and row.get("subject"):
            weight_by_subject[str(row["subject"])] = (
                weight_by_subject.get(str(row["subject"]), 0.0) + row["weight"]
            )
        else:
            others += row["weight"]
    limit = _limit(weight_by_subject, others, share)
    scaled = {
        subject: limit / weight for subject, weight in weight_by_subject.items() if weight > limit
    }
    for row in rows:
        if row.get(FEEDBACK) and str(row.get("subject")) in scaled:
            row["weight"] *= scaled[str(row["subject"])]
    return len(scaled)


def _limit(held: Mapping[str, float], others: float, share: float) -> float:
    """The weight m at which min(weight, m) of each subject is at most `share` of the sum of all.

    With the k heaviest at m and the others' weight w: m = share · (w + k·m), so
    m = share · w / (1 - k · share).
    """
    weights = sorted(held.values(), reverse=True)
    rest = sum(weights)
    if not weights or weights[0] <= share * (others + rest):
        return float("inf")
    for count, weight in enumerate(weights, start=1):
        rest -= weight
        if count * share >= 1:
            break
        limit = share * (others + max(rest, 0.0)) / (1 - count * share)
        following = weights[count] if count < len(weights) else 0.0
        if limit >= following and limit > 0:
            return limit
    return weights[-1]
