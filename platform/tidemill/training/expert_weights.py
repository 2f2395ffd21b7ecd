"""How much each expert says in a recommendation: a conditional logit over the catalogue
(McFadden 1974), on rows whose own visit is not in the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tidemill.data.catalogue import Catalogue
from tidemill.data.histories import sequences
from tidemill.data.item_counts import Floats
from tidemill.data.rows import hash_fraction
from tidemill.rows import DatasetRow
from tidemill.runtimes.item_scores import EXPERTS
from tidemill.training.item_memory import Lenders, remember

FOLDS = 5
MOST_ROWS = 2000
"""Rows that the weights are fitted on, a sample where there are more."""
MOST_ITEMS = 2000
"""Items that a row's choice is compared with, a sample where there are more."""
RIDGE = 1e-3


@dataclass(frozen=True)
class ExpertWeights:
    """Fitted weights and the rows they come from."""

    weights: dict[str, float]
    loss: float
    """Mean negative log-likelihood of the items that came next, in nats."""
    rows: int


def fit_weights(
    rows: Sequence[DatasetRow], catalogue: Catalogue, lenders: Lenders, *, decay: float, seed: int
) -> ExpertWeights:
    """The weights under which what came next is most probable, a little held towards 0."""
    from scipy.optimize import minimize

    examples = list(_examples(rows, catalogue, lenders, decay, seed))
    if not examples:
        return ExpertWeights(dict.fromkeys(EXPERTS, 1.0), float("nan"), 0)

    def objective(weights: Floats) -> tuple[float, Floats]:
        loss, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for experts in examples:  # the item that came next stands first
            scores = weights @ experts
            powers = np.exp(scores - scores.max())
            share = powers / powers.sum()
            loss -= float(np.log(share[0])) / len(examples)
            slope = slope + (experts @ share - experts[:, 0]) / len(examples)
        return loss, slope

    start = np.ones(len(EXPERTS))
    result = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    weights = {name: round(float(w), 6) for name, w in zip(EXPERTS, result.x, strict=True)}
    return ExpertWeights(weights, float(result.fun), len(examples))


def _examples(
    rows: Sequence[DatasetRow], catalogue: Catalogue, lenders: Lenders, decay: float, seed: int
) -> Iterator[Floats]:
    """(experts, 1 + others) of each row: of the item that came next, and of items that did not. The
    memory is of the visitors in the other folds."""
    draw = np.random.default_rng(seed)
    chosen = sorted(range(len(rows)), key=lambda n: hash_fraction(str(seed), str(n)))[:MOST_ROWS]
    folds = [_fold(row, number) for number, row in enumerate(rows)]
    for fold in range(FOLDS):
        others = [row for row, f in zip(rows, folds, strict=True) if f != fold]
        memory = remember(sequences(others), catalogue, lenders)
        for number in sorted(n for n in chosen if folds[n] == fold):
            places = catalogue.places(rows[number]["history"])
            experts = memory.experts(places, decay)
            if experts is None:  # popularity alone decides there
                continue
            label = catalogue.place[str(rows[number]["label"])]
            free = np.ones(len(catalogue.items), dtype=bool)
            free[[*places, label]] = False
            compared = np.flatnonzero(free)
            if len(compared) > MOST_ITEMS:
                compared = draw.choice(compared, MOST_ITEMS, replace=False)
            yield experts[:, [label, *compared]]


def _fold(row: DatasetRow, number: int) -> int:
    """A visitor's rows are in one fold."""
    return int(hash_fraction("fold", str(row.get("subject") or f"row {number}")) * FOLDS)
