"""A recommender's files: the weights as `ranking.json`, the visits and counts as safetensors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tidemill.data.item_counts import SparseRows
from tidemill.data.visit_index import VisitIndex
from tidemill.errors import ArtefactError
from tidemill.runtimes.item_scores import EXPERTS, ItemMemory, ItemScorer

WEIGHTS, MEMORY = "ranking.json", "ranking.safetensors"
_PARTS = ("start", "columns", "values")


def save_scorer(scorer: ItemScorer, folder: Path) -> None:
    """Write both files; equal scorers give equal bytes."""
    from safetensors.numpy import save_file

    memory = scorer.memory
    facts = {
        "weights": dict(scorer.weights), "decay": scorer.decay, "items": memory.visits.size,
    }  # fmt: skip
    text = json.dumps(facts, indent=1, sort_keys=True)
    (folder / WEIGHTS).write_text(text + "\n", encoding="utf-8")
    tensors: dict[str, npt.NDArray[np.generic]] = {
        "visits.start": memory.visits.start,
        "visits.items": memory.visits.items.astype(np.int32),
    }
    for name in ("follows", "lenders"):
        tensors |= {f"{name}.{part}": getattr(getattr(memory, name), part) for part in _PARTS}
    save_file(tensors, folder / MEMORY)


def load_scorer(folder: Path) -> ItemScorer:
    """From an artefact; raises ArtefactError where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))
        tensors = load_file(folder / MEMORY)
        visits = VisitIndex(
            tensors["visits.start"], tensors["visits.items"].astype(np.int64), int(facts["items"])
        )
        follows, lenders = (
            SparseRows(*(tensors[f"{name}.{part}"] for part in _PARTS))
            for name in ("follows", "lenders")
        )
        weights = {name: float(facts["weights"][name]) for name in EXPERTS}
        return ItemScorer(ItemMemory(visits, follows, lenders), weights, float(facts["decay"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ArtefactError(
            f"{folder}: holds no visits to recommend by ({error}); train it again"
        ) from error
