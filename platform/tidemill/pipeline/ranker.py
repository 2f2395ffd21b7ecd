"""Making a FineTune that recommends: the visits are remembered, the catalogue comes along."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidemill.catalog import TRAINING
from tidemill.data import read_split
from tidemill.data.catalogue import FILE, Catalogue
from tidemill.data.item_counts import rank_items
from tidemill.engine.estimate import estimate, subjects
from tidemill.errors import DataError
from tidemill.form import ModelForm
from tidemill.metrics import Answer, Scored
from tidemill.pipeline.context import BuildContext, BuildResult, Measure
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.runtimes.item_files import save_scorer
from tidemill.runtimes.item_scores import ItemScorer
from tidemill.spec.finetune import FineTune

METRIC = "ndcg_at_10"


def build(spec: FineTune, inputs: Mapping[str, Artefact], context: BuildContext) -> BuildResult:
    """The recommender, and how well it does on the validation rows; raises DataError."""
    started = time.monotonic()
    method, options = TRAINING.load(spec.method), TRAINING.options(spec.method, spec.options)
    folder = inputs[spec.dataset].path
    if not (folder / FILE).exists():
        raise DataError(f"'{spec.dataset}' has no catalogue; write 'format: ranking' and name one")
    catalogue = Catalogue.read(folder / FILE)
    train, validation = read_split(folder, "train"), read_split(folder, "validation")
    if not train:
        raise DataError(
            f"'{spec.name}': dataset '{spec.dataset}' has no rows in its train split; "
            "see what became of them with `tidemill data show`"
        )
    context.progress(f"counting what {len(train)} visits have of {len(catalogue.items)} items")
    scorer, weights, lenders = method.fit(
        train, catalogue, options, encode=_encoder(inputs[spec.base].path, context),
        seed=spec.train.seed,
    )  # fmt: skip
    measures = _measures(scorer, catalogue, validation)
    facts: dict[str, object] = {
        "items": len(catalogue.items),
        "items_without_visits": len({borrower for borrower, _ in lenders}),
        "rows": len(train),
        "rows_validation": len(validation),
        "weights": weights.weights,
        "train_loss": round(weights.loss, 5),
        "seconds": round(time.monotonic() - started, 1),
        "seed": spec.train.seed,
    }
    for measure in measures:
        context.progress(f"validation {measure.metric} {measure.value:.3f}")
    artefact = context.store.put(
        _write(scorer, catalogue, context.scratch / "weights"), kind="model", meta=facts
    )
    return BuildResult(artefact, measures=measures, facts=facts)


def _encoder(folder: Path, context: BuildContext) -> Any:
    """Texts to vectors; the encoder is loaded when the first text comes."""

    def encode(texts: list[str]) -> Any:
        from tidemill.runtimes.sentence import Encoder

        context.progress("reading the items that are in no visit yet")
        return Encoder(folder).encode(texts)

    return encode


def _measures(
    scorer: ItemScorer, catalogue: Catalogue, rows: Sequence[DatasetRow]
) -> tuple[Measure, ...]:
    if not rows:
        return ()
    scored = []
    for row in rows:
        label, history = str(row["label"]), row["history"]
        scores = scorer.probabilities(catalogue.places(history))
        scored.append(Scored(Answer(label, label), rank_items(scores, history, catalogue.ids)))
    value = estimate(METRIC, scored, clusters=subjects(rows))
    return (Measure(f"validation_{METRIC}", value.value, value.low, value.high, len(rows)),)


def _write(scorer: ItemScorer, catalogue: Catalogue, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    catalogue.write(folder)
    save_scorer(scorer, folder)
    numbers = len(scorer.weights) + len(scorer.memory.follows.values)
    ModelForm("safetensors", "ranking", labels=catalogue.ids, parameters=numbers).write(folder)
    return folder
