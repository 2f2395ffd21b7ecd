"""What a new project's fine-tune tries beside the head, where its rows and this machine allow it.

The head is the cheapest and comes first. Tuning is tried where validation rows can tell a good head
from a poor one, and where it takes minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from tidemill.engine.statistics import wilson
from tidemill.init.default_gates import GOOD, epochs, unlucky

TRAIN_SHARE, VALIDATION_SHARE = 0.7, 0.1
"""Shares of the rows in a new project's splits."""
FEWEST_VALIDATION = 50
"""With fewer validation rows chance chooses between candidates."""
FEWEST_EACH = 20
"""Train rows a label that tuning needs; with fewer a head is the better model as a rule."""
TOP_LAYERS = 2
ROWS_PER_SECOND = {TOP_LAYERS: 45.0, None: 20.0}
"""Rows that a core trains a second, by the layers of MiniLM that are trained; None is all. Measured
with 32 tokens a row: 50 and 21; with 16 tokens 75 and 38."""
LONGEST = 30 * 60.0
"""Seconds that all tuning together may take: half of the fine-tune's budget."""
_PASSES = 6000


@dataclass(frozen=True)
class ProposedTuning:
    """One alternative to the head."""

    layers: int | None
    """Layers at the top that are trained; None for all weights."""
    minutes: int
    """About how long it takes on this machine at most."""


@dataclass(frozen=True)
class ProposedCandidates:
    """The `candidates` of a new fine-tune."""

    at_least: float
    """What the lower bound of the accuracy on validation rows has to reach: a model that is right
    in 90 of 100 cases does 19 times in 20."""
    validation_rows: int
    cores: int
    epochs: int
    """Passes of a tuning over the train rows; twice as many where it still improves."""
    tunings: tuple[ProposedTuning, ...]
    """The cheapest first."""


def propose_candidates(counts: Sequence[int], cores: int) -> ProposedCandidates | None:
    """Candidates for rows with these numbers of each label; None where the head alone fits."""
    total = sum(counts)
    validation_rows, train_rows = round(total * VALIDATION_SHARE), round(total * TRAIN_SHARE)
    passes = epochs(train_rows, passes=_PASSES, most=10)
    tunings = _tunings(2 * passes * train_rows, cores)
    too_few = train_rows < FEWEST_EACH * len(counts) or validation_rows < FEWEST_VALIDATION
    if too_few or not tunings:
        return None
    majority = round(max(counts) / total * validation_rows)
    bar = floor(100 * wilson(unlucky(GOOD, validation_rows), validation_rows, 0.95).low) / 100
    if bar <= wilson(majority, validation_rows, 0.95).low:
        return None
    return ProposedCandidates(bar, validation_rows, cores, passes, tunings)


def _tunings(rows: int, cores: int) -> tuple[ProposedTuning, ...]:
    """The tunings that together stay below `LONGEST`, for so many passes of a row."""
    tunings: list[ProposedTuning] = []
    remaining = LONGEST
    for layers, speed in ROWS_PER_SECOND.items():
        seconds = rows / (speed * max(1, cores))
        if seconds <= remaining:
            tunings.append(ProposedTuning(layers, max(1, round(seconds / 60))))
            remaining -= seconds
    return tuple(tunings)
