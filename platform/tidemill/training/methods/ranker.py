"""Recommends items of a catalogue from a visitor's history, by what other visitors had.

What came after the items of the history, what similar visits hold, what came next in those, and
what is popular are weighted against each other; it takes seconds. The encoder, as it is, finds the
items that lend theirs to one without visits, by their words. On visits of a few thousand people
this ranks better than vectors of texts or of items that are trained with in-batch negatives, which
added nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from tidemill.data.catalogue import Catalogue
from tidemill.data.histories import sequences
from tidemill.rows import DatasetRow
from tidemill.runtimes.item_scores import ItemScorer
from tidemill.spec.base import Frozen
from tidemill.training.expert_weights import ExpertWeights, fit_weights
from tidemill.training.item_memory import Encode, Lenders, find_lenders, remember

VERSION = 1
FORM = "safetensors"
TASKS = ("sequence-classification",)
TRAIN_FIELDS = ("seed",)
RANKS = True


class Options(Frozen):
    """Options of `method: ranker`."""

    decay: float = Field(default=0.9, gt=0, le=1)
    """Weight of an item of the history against the one after it: 1 forgets the order of the
    history, a small value looks at the last items only."""


def fit(
    rows: Sequence[DatasetRow],
    catalogue: Catalogue,
    options: Options,
    *,
    encode: Encode,
    seed: int,
) -> tuple[ItemScorer, ExpertWeights, Lenders]:
    """The scorer for these rows, how its weights were found, and who lends to whom."""
    visits = sequences(rows)
    lenders = find_lenders(visits, catalogue, encode)
    weights = fit_weights(rows, catalogue, lenders, decay=options.decay, seed=seed)
    memory = remember(visits, catalogue, lenders)
    return ItemScorer(memory, weights.weights, options.decay), weights, lenders
