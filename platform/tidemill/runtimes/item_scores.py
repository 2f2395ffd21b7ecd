"""Scores of items for a history: what came after its items in other visits, what was with them in
any order, and what is popular.

Each is a distribution over the catalogue; the score is the weighted sum of their logarithms, as in
a product of experts (Hinton 2002). In an artefact the weights are `ranking.json`, the counts
`ranking.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidemill.data.item_counts import Floats, SparseRows, recency_weights
from tidemill.errors import ArtefactError

WEIGHTS, COUNTS = "ranking.json", "ranking.safetensors"
EXPERTS = ("follows", "together", "popularity")
FLOOR = 1e-3
"""Added to a share before its logarithm: what was never seen is rare, not impossible."""
_MATRICES = ("follows", "together")


@dataclass(frozen=True)
class ItemCounts:
    """What visits say of the items, by place in the catalogue."""

    popularity: Floats
    """(items,): share of each item in all visits; adds up to 1."""
    follows: SparseRows
    """How often the column's item came after the row's, over the root of both items' visits."""
    together: SparseRows
    """The same in any order: their cosine."""

    def experts(self, places: Sequence[int], decay: float) -> Floats:
        """(experts, items): the logarithm of each expert's share, for a history of these places. A
        history that says nothing leaves the same value everywhere."""
        weights = recency_weights(len(places), decay)
        shares = [
            _share(self.follows.weighted_sum(places, weights)),
            _share(self.together.weighted_sum(places, weights)),
            self.popularity,
        ]
        return np.log(FLOOR + np.stack(shares))


@dataclass(frozen=True)
class ItemScorer:
    """The counts and how much each expert says."""

    counts: ItemCounts
    weights: Mapping[str, float]
    """Weight of each of `EXPERTS`."""
    decay: float
    """Weight of an item of the history against the one after it."""

    def probabilities(self, places: Sequence[int]) -> Floats:
        """(items,): how probable each item is to come next; 0 for those of the history."""
        weights = np.array([self.weights[name] for name in EXPERTS])
        scores = weights @ self.counts.experts(places, self.decay)
        powers = np.exp(scores - scores.max())
        powers[list(places)] = 0
        return _share(powers)

    def save(self, folder: Path) -> None:
        """Write both files; equal scorers give equal bytes."""
        from safetensors.numpy import save_file

        facts = {"weights": dict(self.weights), "decay": self.decay}
        text = json.dumps(facts, indent=1, sort_keys=True)
        (folder / WEIGHTS).write_text(text + "\n", encoding="utf-8")
        tensors = {"popularity": self.counts.popularity.astype(np.float32)}
        for name in _MATRICES:
            rows: SparseRows = getattr(self.counts, name)
            tensors |= {f"{name}.{part}": values for part, values in vars(rows).items()}
        save_file(tensors, folder / COUNTS)

    @classmethod
    def load(cls, folder: Path) -> ItemScorer:
        """From an artefact; raises ArtefactError where it is damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            facts = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))
            tensors = load_file(folder / COUNTS)
            matrices = (
                SparseRows(*(tensors[f"{name}.{part}"] for part in ("start", "columns", "values")))
                for name in _MATRICES
            )
            counts = ItemCounts(tensors["popularity"].astype(np.float64), *matrices)
            weights = {name: float(facts["weights"][name]) for name in EXPERTS}
            return cls(counts, weights, float(facts["decay"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtefactError(
                f"{folder}: holds no counts to recommend by ({error}); train it again"
            ) from error


def _share(values: Floats) -> Floats:
    """Values over their sum; zeros stay zeros."""
    total = float(values.sum())
    return values / total if total > 0 else values
