"""Tokens written in a second of answering, over all rows together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidemill.metrics import Scored

VERSION = 1
KIND = "speed"
BETTER = "higher"
RANGE = (0.0, None)
UNIT = "tokens/s"
NEEDS_REFERENCE = False

Sums = npt.NDArray[np.float64]


def statistics(answers: Sequence[Scored]) -> Sums:
    """Array (rows, 2): tokens and seconds."""
    return np.array([(scored.tokens_out, scored.seconds) for scored in answers], dtype=float)


def combine(sums: Sums) -> Sums:
    """Tokens over seconds; 0 where no time passed."""
    tokens, seconds = sums[..., 0], sums[..., 1]
    rate: Sums = np.where(seconds > 0, tokens / np.where(seconds > 0, seconds, 1.0), 0.0)
    return rate
