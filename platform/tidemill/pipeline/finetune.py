"""Making a FineTune: rows through the prompt into tokens, the method's training, the weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.catalog import TRAINING
from tidemill.data import read_split
from tidemill.errors import Diverged
from tidemill.form import ModelForm
from tidemill.pipeline import head, ranker
from tidemill.pipeline.context import BuildContext, BuildResult, Measure
from tidemill.pipeline.learning import TrainingExamples, causal_rows, labelled_rows
from tidemill.pipeline.loss_curve import curve_points, loss_chart
from tidemill.pipeline.prompt_loading import load_program
from tidemill.ports import Artefact
from tidemill.runtimes import load
from tidemill.spec.finetune import FineTune
from tidemill.training import checkpoint
from tidemill.training.causal import CausalLearner
from tidemill.training.encoder import EncoderLearner
from tidemill.training.loop import TrainingJob, TrainingResult, run_training


@dataclass(frozen=True)
class _Base:
    """The base model of a training."""

    artefact: Artefact
    form: ModelForm
    tokenizer: Any


def build(spec: FineTune, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """Train and take the weights in; raises DataError, TrainingError, Diverged.

    A run that is killed goes on from its last checkpoint when it is made again with the same
    inputs; a finished or diverged one leaves no checkpoint behind.
    """
    if spec.candidates is not None:
        from tidemill.pipeline import finetune_candidates

        return finetune_candidates.build(spec, spec.candidates, inputs, bench)
    method, options = TRAINING.load(spec.method), TRAINING.options(spec.method, spec.options)
    if getattr(method, "RANKS", False):
        return ranker.build(spec, inputs, bench)
    if hasattr(method, "fit"):
        return head.build(spec, inputs, bench)
    artefact = inputs[spec.base]
    base = _Base(artefact, ModelForm.read(artefact.path), load.tokenizer(artefact.path))
    learning = _examples(spec, inputs, bench, base)
    low = _low(spec)
    model = method.prepare(_load(base, learning, low, bench), options, spec.train, base.form.task)
    learner = _learner(model, base, low)
    checkpoints = bench.scratch / "checkpoints"
    job = TrainingJob(
        spec.train, spec.early_stop, spec.watchdog,
        digest=_digest(spec, method.VERSION, inputs, low),
        checkpoints=checkpoints, resume=spec.resume,
    )  # fmt: skip
    try:
        outcome = run_training(learner, learning.train, learning.validation, job, bench.progress)
    except Diverged:
        checkpoint.clear(checkpoints)
        raise
    folder = _write(method, model, base, learning, bench.scratch / "weights")
    facts = _facts(outcome, learning, low)
    weights = bench.store.put(folder, kind=_kind(method), meta=facts)
    unit = "nats per row" if learning.labels else "nats per token"
    checkpoint.clear(checkpoints)
    return BuildResult(
        weights,
        measures=_measures(outcome, len(learning.validation)),
        facts={**facts, "curve": curve_points(outcome, unit)},
        charts={"loss": loss_chart(outcome, unit)},
    )


def _examples(
    spec: FineTune, inputs: Mapping[str, Artefact], bench: BuildContext, base: _Base
) -> TrainingExamples:
    folder = inputs[spec.dataset].path
    train, validation = read_split(folder, "train"), read_split(folder, "validation")
    if base.form.task == "causal-lm":
        program = load_program(spec.prompt, inputs, bench.specs)
        return causal_rows(spec, train, validation, program, base.tokenizer)
    return labelled_rows(spec, train, validation, base.tokenizer, base.form.labels)


def _low(spec: FineTune) -> bool:
    """True for bf16."""
    precision = spec.train.precision
    return machine.bf16() if precision == "auto" else precision == "bf16"


def _load(base: _Base, learning: TrainingExamples, low: bool, bench: BuildContext) -> Any:
    form = replace(base.form, labels=learning.labels) if learning.labels else base.form
    machine.configure_torch().manual_seed(learning.seed)
    bench.progress(f"loading the base ({base.form.parameters / 1e6:.0f} M parameters)")
    model = load.model(
        base.artefact.path, form, lambda digest: bench.store.get(digest).path,
        precision="bf16" if low and base.form.task == "causal-lm" else "fp32",
    )  # fmt: skip
    model.config.use_cache = False
    return model


def _learner(model: Any, base: _Base, low: bool) -> Any:
    pad = base.tokenizer.pad_token_id
    kind = CausalLearner if base.form.task == "causal-lm" else EncoderLearner
    return kind(model, pad=pad, low=low)


def _digest(spec: FineTune, version: int, inputs: Mapping[str, Artefact], low: bool) -> str:
    """Digest of everything that determines the weights; checkpoints are matched by it."""
    train = spec.train.model_dump(exclude={"checkpoint_every", "precision"})
    identity = {
        "train": train,
        "low": low,
        "method": [spec.method, version, spec.options],
        "early_stop": spec.early_stop.model_dump() if spec.early_stop else None,
        "inputs": {name: artefact.digest for name, artefact in inputs.items()},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def _write(method: Any, model: Any, base: _Base, learning: TrainingExamples, folder: Path) -> Path:
    """The finished folder: weights, tokenizer, form."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.config.use_cache = True
    parameters = sum(p.numel() for p in model.parameters())
    method.save(model, folder)
    base.tokenizer.save_pretrained(folder)
    adapter = method.FORM == "adapter"
    ModelForm(
        form=method.FORM,
        task=base.form.task,
        precision="fp32",
        base=base.artefact.digest if adapter else None,
        labels=learning.labels,
        chat=base.form.chat,
        parameters=parameters,
    ).write(folder)
    return folder


def _kind(method: Any) -> str:
    return "adapter" if method.FORM == "adapter" else "model"


def _measures(outcome: TrainingResult, rows: int) -> tuple[Measure, ...]:
    best = outcome.best
    if best is None:
        return ()
    return (Measure("validation_loss", best, best, best, rows),)


def _facts(outcome: TrainingResult, learning: TrainingExamples, low: bool) -> dict[str, object]:
    best = outcome.best
    return {
        "steps": outcome.steps,
        "steps_planned": outcome.planned_steps,
        "tokens": outcome.tokens,
        "tokens_per_second": round(outcome.tokens_this_run / outcome.seconds)
        if outcome.seconds
        else 0,
        "seconds": round(outcome.seconds, 1),
        "train_loss": round(outcome.losses[-1][1], 5) if outcome.losses else None,
        "validation_loss": None if best is None else round(best, 5),
        "best_step": outcome.best_step or outcome.steps,
        "stopped_early": outcome.stop_reason or None,
        "still_improving": outcome.still_improves,
        "resumed_from": outcome.resumed_from or None,
        "rows": len(learning.train),
        "rows_truncated": learning.truncated,
        "rows_too_long": learning.dropped_too_long,
        "rows_unscored": learning.unscored,
        "layers_read_once": outcome.layers_saved,
        "precision": "bf16" if low else "fp32",
        "seed": learning.seed,
    }
