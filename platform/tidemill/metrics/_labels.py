"""Counts per label that macro metrics are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidemill.metrics import Scored
from tidemill.metrics._judged import compared_texts

Counts = npt.NDArray[np.float64]


def hits_and_misses(answers: Sequence[Scored]) -> Counts:
    """Array (rows, 3 * labels): true positives, false positives, false negatives of each label.

    The labels are those of the references; a wrong answer that is no such label counts as a miss
    of the wanted label only.
    """
    pairs = [compared_texts(scored.reference, scored.answer) for scored in answers]
    index = {label: i for i, label in enumerate(sorted({expected for expected, _ in pairs}))}
    counts = np.zeros((len(pairs), 3, len(index)))
    for row, (expected, predicted) in enumerate(pairs):
        if expected == predicted:
            counts[row, 0, index[expected]] = 1
            continue
        counts[row, 2, index[expected]] = 1
        if predicted in index:
            counts[row, 1, index[predicted]] = 1
    return counts.reshape(len(pairs), -1)


def macro(sums: Counts, false_positives: float, false_negatives: float) -> Counts:
    """Mean over labels of tp / (tp + a * fp + b * fn), over the labels that were wanted at all."""
    counts = sums.reshape(*sums.shape[:-1], 3, -1)
    right, wrong, missed = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    present = right + missed > 0
    denominator = right + false_positives * wrong + false_negatives * missed
    each = np.divide(right, denominator, out=np.zeros_like(right), where=denominator > 0)
    labels = np.maximum(present.sum(axis=-1), 1)
    mean: Counts = np.where(present, each, 0.0).sum(axis=-1) / labels
    return mean
