"""Making a FineTune whose method fits a head to the frozen encoder: no steps, no checkpoints."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.catalog import TRAINING
from tidemill.compression.model_folder import link
from tidemill.data import read_split
from tidemill.engine.statistics import wilson
from tidemill.form import ModelForm
from tidemill.pipeline.context import BuildContext, BuildResult, Measure
from tidemill.pipeline.learning import TrainingExamples, labelled_rows
from tidemill.ports import Artefact
from tidemill.runtimes import load, sentence_classifier
from tidemill.spec.finetune import FineTune
from tidemill.training import checkpoint
from tidemill.training.linear_head import HeadFit


def build(spec: FineTune, inputs: Mapping[str, Artefact], context: BuildContext) -> BuildResult:
    """Fit the head and take encoder and head in as one model; raises DataError.

    A killed run begins again: it takes seconds.
    """
    started = time.monotonic()
    method, options = TRAINING.load(spec.method), TRAINING.options(spec.method, spec.options)
    checkpoint.clear(context.scratch / "checkpoints")  # of another method, killed before
    base = inputs[spec.base].path
    form, tokenizer = ModelForm.read(base), load.tokenizer(base)
    folder = inputs[spec.dataset].path
    rows = labelled_rows(
        spec, read_split(folder, "train"), read_split(folder, "validation"), tokenizer, ()
    )
    context.progress(f"loading the encoder ({form.parameters / 1e6:.0f} M parameters)")
    encoder = load.encoder(base, form, lambda digest: context.store.get(digest).path)
    model = sentence_classifier.add_head(encoder, len(rows.labels))
    fit = method.fit(
        model, rows.train, rows.validation, options,
        pad=tokenizer.pad_token_id, say=context.progress,
    )  # fmt: skip
    sentence_classifier.set_head(model, fit.weight, fit.bias)
    written = _write(model, base, form, rows.labels, tokenizer, context.scratch / "weights")
    facts = _facts(fit, rows, time.monotonic() - started)
    weights = context.store.put(written, kind="model", meta=facts)
    table = _tried(fit)
    return BuildResult(
        weights,
        measures=_measures(fit, len(rows.validation)),
        facts=facts,
        tables={"Regularisation": table} if table else {},
    )


def _write(
    model: Any, base: Path, form: ModelForm, labels: tuple[str, ...], tokenizer: Any, folder: Path
) -> Path:
    """The finished folder: the encoder, the head, tokenizer and form."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if form.form == "adapter":
        model.config._name_or_path = ""
        model.encoder.save_pretrained(folder, safe_serialization=True)
    else:  # the base's own files, so that the store holds them once
        for path in [base / "config.json", *sorted(base.glob("*.safetensors*"))]:
            if path.name != sentence_classifier.HEAD:
                link(path, folder / path.name)
    sentence_classifier.save_head(model, folder)
    tokenizer.save_pretrained(folder)
    replace(
        form,
        form="safetensors",
        base=None,
        labels=labels,
        parameters=sum(p.numel() for p in model.parameters()),
        pooling=sentence_classifier.POOLING,
    ).write(folder)
    return folder


def _facts(fit: HeadFit, rows: TrainingExamples, seconds: float) -> dict[str, object]:
    facts: dict[str, object] = {
        "C": fit.C,
        "C_chosen": fit.is_chosen,
        "tried": _tried(fit),
        "train_loss": round(fit.train.loss, 5),
        "train_accuracy": round(fit.train.accuracy, 5),
        "rows": len(rows.train),
        "rows_validation": len(rows.validation),
        "rows_truncated": rows.truncated,
        "rows_unscored": rows.unscored,
        "labels": len(rows.labels),
        "seconds": round(seconds, 1),
        "precision": "fp32",
    }
    if fit.validation:
        facts["validation_loss"] = round(fit.validation.loss, 5)
        facts["validation_accuracy"] = round(fit.validation.accuracy, 5)
    return facts


def _tried(fit: HeadFit) -> list[dict[str, object]]:
    return [
        {
            "C": value,
            "validation_loss": round(score.loss, 5),
            "validation_accuracy": round(score.accuracy, 5),
        }
        for value, score in fit.tried
    ]


def _measures(fit: HeadFit, rows: int) -> tuple[Measure, ...]:
    if fit.validation is None:
        return ()
    loss = fit.validation.loss
    right = wilson(fit.validation.accuracy * rows, rows)
    return (
        Measure("validation_loss", loss, loss, loss, rows),
        Measure("validation_accuracy", right.value, right.low, right.high, rows),
    )
