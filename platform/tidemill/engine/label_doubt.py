"""Which labels a model contradicts with confidence.

The rule is that of confident learning (Northcutt, Jiang and Chuang 2021): a label is doubted where
another one is at least as probable as it is, on average, for the questions that have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


def doubts(
    labels: Mapping[str, str], opinions: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """By item, how much more probable the model finds another label; only items it contradicts.

    `opinions` gives each item's probabilities by label, from a model that has not seen the item.
    """
    typical = _typical(labels, opinions)
    contradicted: dict[str, float] = {}
    for item in labels.keys() & opinions.keys():
        own = opinions[item].get(labels[item], 0.0)
        others = [
            probability
            for label, probability in opinions[item].items()
            if label != labels[item] and probability >= typical.get(label, 1.0)
        ]
        if max(others, default=0.0) > own:
            contradicted[item] = max(others) - own
    return contradicted


def _typical(
    labels: Mapping[str, str], opinions: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Mean probability of each label over the items that have it."""
    by_label: dict[str, list[float]] = defaultdict(list)
    for item, label in labels.items():
        if item in opinions:
            by_label[label].append(opinions[item].get(label, 0.0))
    return {label: sum(values) / len(values) for label, values in by_label.items()}
