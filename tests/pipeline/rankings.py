"""A small shop for tests: two kinds of visitors, a catalogue, and an item that nobody has had."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.store.memory import MemoryStore
from tidemill.data.catalogue import Catalogue, CatalogueItem
from tidemill.pipeline import dataset, ranker
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.spec.dataset import Dataset
from tidemill.spec.finetune import FineTune
from tidemill.training.methods.ranker import Options, fit

TEA = ["kettle", "teapot", "cups", "tea", "honey", "tray"]
DESK = ["desk", "chair", "monitor", "cable", "pens", "paper"]
SHOP = Catalogue(
    tuple(CatalogueItem(name, name.title(), category="tea") for name in TEA)
    + tuple(CatalogueItem(name, name.title(), category="desk") for name in DESK)
    + (CatalogueItem("lamp", "Lamp"), CatalogueItem("new-cups", "New cups", "Cups for tea."))
)
API = {"apiVersion": "tidemill/v1"}


def rows(count: int, seed: int = 0, mark: str = "v") -> list[dict[str, Any]]:
    """Visits in the order of one list each, with gaps, and the lamp here and there."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        items = [item for item in draw.choice((TEA, DESK)) if draw.random() < 0.7]
        if draw.random() < 0.3:
            items.insert(draw.randint(0, len(items)), "lamp")
        if len(items) > 1:
            visit = {"history": items[:-1], "label": items[-1], "subject": f"{mark}{number}"}
            found.append(visit)
    return found


def encode(texts: list[str]) -> Any:
    """Texts with `tea` or `cups` in them are alike, and all others are."""
    first = [float("cups" in text.lower()) for text in texts]
    vectors = np.array([[one, 0.1 + (1 - one)] for one in first])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scorer(count: int = 120) -> Any:
    """A fitted scorer of such visits."""
    return fit(rows(count), SHOP, Options(), encode=encode, seed=0)[0]


class Bench:
    """A project folder with these visits, and what is built of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.store, self.said = root, MemoryStore(), list[str]()
        SHOP.write(root)
        self.write(rows(200))

    def write(self, visits: list[dict[str, Any]]) -> None:
        text = "".join(f"{json.dumps(visit)}\n" for visit in visits)
        (self.root / "visits.jsonl").write_text(text)

    def context(self, **more: Any) -> BuildContext:
        def say(message: str, **_: Any) -> None:
            self.said.append(message)

        folders = (self.root, self.root / "scratch", self.root / "cache")
        return BuildContext(*folders, self.store, SystemClock(), say, **more)

    def dataset_spec(self, **more: Any) -> Dataset:
        given = {
            **API,
            "kind": "Dataset",
            "name": "visits",
            "format": "ranking",
            "catalogue": "catalogue.jsonl",
            "sources": [{"type": "file", "path": "visits.jsonl"}],
            "split": {"by": "group", "key": "subject"},
        }
        return Dataset.model_validate({**given, **more})

    def build_dataset(self, context: BuildContext | None = None, **more: Any) -> BuildResult:
        return dataset.build(self.dataset_spec(**more), {}, context or self.context())

    def build_ranker(self, encoder: Path) -> BuildResult:
        spec = FineTune.model_validate(
            {**API, "kind": "FineTune", "name": "ranker", "base": "base", "dataset": "visits",
             "method": "ranker"}
        )  # fmt: skip
        copy = shutil.copytree(encoder, self.root / "encoder", dirs_exist_ok=True)
        base = self.store.put(copy, kind="model")
        inputs = {"base": base, "visits": self.build_dataset().artefact}
        return ranker.build(spec, inputs, self.context())
