"""Corpus BLEU of the texts (sacrebleu, 13a tokens, up to 4-grams), on a scale of 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidemill.errors import MissingExtra
from tidemill.metrics import Scored

VERSION = 1
KIND = "corpus"
BETTER = "higher"
RANGE = (0.0, 1.0)
UNIT = ""
NEEDS_REFERENCE = True

Sums = npt.NDArray[np.float64]
ORDER = 4


def statistics(answers: Sequence[Scored]) -> Sums:
    """Array (rows, 10): both lengths, then matching and all n-grams of order 1 to 4."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtra("sacrebleu", "train") from error
    bleu = BLEU(effective_order=True)
    rows = np.zeros((len(answers), 2 + 2 * ORDER))
    for row, scored in zip(rows, answers, strict=True):
        result = bleu.sentence_score(scored.answer.text, [scored.reference.text])
        row[:] = (result.sys_len, result.ref_len, *result.counts, *result.totals)
    return rows


def combine(sums: Sums) -> Sums:
    """BLEU of summed counts: brevity penalty times the geometric mean of the precisions.

    Zero matches of an order are smoothed as sacrebleu's default `exp` does (Chen and Cherry 2014,
    method 3): the k-th such order has precision 1 / (2^k * total). Orders without any n-gram are
    left out (texts shorter than four tokens), as in sacrebleu's effective order.
    """
    length, reference_length = sums[..., 0], sums[..., 1]
    matching, total = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    present = total > 0
    nothing = present & (matching == 0)
    smooth = 1 / (2.0 ** np.cumsum(nothing, axis=-1))
    precision = np.where(nothing, smooth, matching) / np.maximum(total, 1)
    logs = np.where(present, np.log(np.where(present, precision, 1.0)), 0.0)
    mean = logs.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
    penalty = np.minimum(1.0, np.exp(1 - reference_length / np.maximum(length, 1e-9)))
    score: Sums = np.where(matching[..., 0] > 0, penalty * np.exp(mean), 0.0)
    return score
