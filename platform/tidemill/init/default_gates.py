"""What a new project asks of its first model, from what its data is like.

A gate has to mean something on the first day: whoever always gives the commonest answer must not
pass it, and a good model must be able to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from tidemill.engine.binomial import log_probabilities
from tidemill.engine.paired_proportions import smallest_margin
from tidemill.engine.statistics import wilson

TEST_SHARE = 0.2
"""Share of the rows that a new project keeps for its gates."""
SURE = 0.95
"""How probable it should be that a good first model passes."""
GOOD = 0.9
"""The accuracy that a good first model is expected to have."""
_AMBITION = 0.3
"""How far from guessing to perfect the first gate lies."""


@dataclass(frozen=True)
class DefaultGate:
    """A first gate on a share of right answers, and the figures it comes from."""

    value: float
    """What the lower confidence bound has to reach."""
    majority_accuracy: float
    """The share that always giving the commonest answer gets right."""
    test_rows: int
    """About how many rows it will be judged on."""
    reachable: bool
    """False where a model as good as `GOOD` fails more often than that: there are too few rows."""
    margin: float
    """The loss against the live release that is accepted: an equally good model stays within it
    in 95 of 100 cases."""


def default_accuracy_gate(counts: Sequence[int], *, confidence: float = 0.95) -> DefaultGate:
    """The first gate on accuracy for rows with these numbers of each label.

    It lies a third of the way from guessing to perfect, or where a model that is right in 90 of 100
    cases still passes on so few rows with a probability of 95 %; but always above the lower bound
    (Wilson) that the commonest label alone has on these rows.
    """
    total = sum(counts)
    if total <= 0:
        raise ValueError("there are no rows to take a gate from")
    majority_accuracy = max(counts) / total
    test_rows = max(1, round(total * TEST_SHARE))
    guessing = wilson(round(majority_accuracy * test_rows), test_rows, confidence).low
    within_reach = wilson(unlucky(GOOD, test_rows), test_rows, confidence).low
    target = min(majority_accuracy + _AMBITION * (1 - majority_accuracy), within_reach)
    # Rounded down for the model, but never to where guessing passes.
    value = max(floor(target * 100) / 100, min(1.0, ceil(guessing * 100 + 1) / 100))
    margin = smallest_margin(test_rows)
    return DefaultGate(value, majority_accuracy, test_rows, value <= within_reach, margin)


def unlucky(share: float, rows: int) -> int:
    """How many of the rows a model of this accuracy has right at least, in 95 of 100 cases."""
    at_most = np.cumsum(np.exp(log_probabilities(rows, share)))
    return int(np.argmax(at_most > 1 - SURE))


def overlap_gate(constant: float) -> float:
    """The first gate on an overlap metric (0 to 1), given what the best single answer reaches."""
    return ceil((constant + 0.1 * (1 - constant)) * 100) / 100


def minimum_rows(distinct: int) -> int:
    """Fewer rows than this mean that an export was cut short: two thirds of today's."""
    enough = distinct * 2 // 3
    step = 10 if enough >= 50 else 1
    return max(1, enough // step * step)


def epochs(rows: int, *, passes: int, most: int) -> int:
    """Passes over the train split so that about `passes` rows are seen, 2 to `most` times each."""
    return max(2, min(most, passes // max(1, rows)))
