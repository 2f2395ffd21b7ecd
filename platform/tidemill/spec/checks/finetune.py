"""Fine-tunes: a prompt where the base needs one, rows to learn from, fields a sweep may vary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from tidemill.catalog import TRAINING
from tidemill.errors import suggest
from tidemill.spec.dataset import Dataset
from tidemill.spec.finetune import FineTune, Sweep, Train
from tidemill.spec.load import Project
from tidemill.spec.neighbours import base_of, find_spec
from tidemill.spec.options import FieldProblem, ignored_fields, options_model, takes_no_steps
from tidemill.spec.validation_messages import explain_error


def check(spec: FineTune, project: Project) -> Iterator[FieldProblem]:
    """Problems of one fine-tune."""
    base = base_of(project, spec.base)
    dataset = find_spec(project, spec.dataset, Dataset)
    if base and base.task == "causal-lm" and spec.prompt is None:
        cause = f"'{spec.base}' is a causal language model, and there is no prompt"
        yield FieldProblem(("base",), cause, "add 'prompt' with the name of a Prompt")
    if base and base.task != "causal-lm" and spec.prompt is not None:
        cause = f"'{spec.base}' classifies the column 'text', it takes no prompt"
        yield FieldProblem(("prompt",), cause, "delete 'prompt'")
    if base and base.task != "causal-lm" and dataset and dataset.format != "classification":
        cause = f"'{spec.base}' classifies, and '{spec.dataset}' has format {dataset.format}"
        yield FieldProblem(("dataset",), cause, "name a dataset with format classification")
    if spec.method in TRAINING.names():
        yield from _method(spec, project)
    if spec.sweep is not None:
        yield from _sweep(spec, spec.sweep)
    most = spec.early_stop.max_epochs if spec.early_stop else None
    if most is not None and most < spec.train.epochs:
        cause = f"'max_epochs' {most:g} is less than the {spec.train.epochs:g} of 'train.epochs'"
        yield FieldProblem(("early_stop", "max_epochs"), cause, "raise it, or lower 'epochs'")


def _method(spec: FineTune, project: Project) -> Iterator[FieldProblem]:
    """What the method cannot train or go on from."""
    tasks = getattr(TRAINING.load(spec.method), "TASKS", None)
    base, tuned = base_of(project, spec.base), find_spec(project, spec.base, FineTune)
    if tasks and base and base.task not in tasks:
        cause = f"method {spec.method} is for {', '.join(tasks)}, '{base.name}' is for {base.task}"
        way_out = "write 'method: lora', or name an encoder as the base"
        yield FieldProblem(("method",), cause, way_out)
        return
    if tuned and takes_no_steps(tuned) and not takes_no_steps(spec):
        cause = f"'{spec.base}' is a linear head on '{tuned.base}', and {spec.method} cannot use it"
        yield FieldProblem(("base",), cause, f"write 'base: {tuned.base}'")
    yield from _without_effect(spec)


def _without_effect(spec: FineTune) -> Iterator[FieldProblem]:
    """Fields that are written out although the method does not look at them."""
    for path in ignored_fields(spec):
        owner = spec.train if path[0] == "train" else spec
        if path[0] in spec.model_fields_set and path[-1] in owner.model_fields_set:
            cause = f"'{path[-1]}' has no effect with method {spec.method}, which takes no steps"
            way_out = "delete it, or write 'method: full' to tune all weights"
            yield FieldProblem(path, cause, way_out)


def _sweep(spec: FineTune, sweep: Sweep) -> Iterator[FieldProblem]:
    method = spec.method if spec.method in TRAINING.names() else None
    options = options_model(TRAINING, method) if method else None
    ignored = {".".join(path) for path in ignored_fields(spec)}
    for key, values in sweep.space.items():
        path = ("sweep", "space", key)
        head, _, field = key.partition(".")
        model: type[BaseModel] | None = {"train": Train, "options": options}.get(head)
        if model is None or field not in model.model_fields or key in ignored:
            fields = _fields("train", Train) + _fields("options", options)
            fields = [name for name in fields if name not in ignored]
            yield FieldProblem(path, f"'{key}' is nothing a sweep can vary", suggest(key, fields))
            continue
        if not values:
            yield FieldProblem(path, f"'{key}' has no values to try", "list some")
        yield from _values(path, model, field, values)


def _values(
    path: tuple[str, ...], model: type[BaseModel], field: str, values: tuple[Any, ...]
) -> Iterator[FieldProblem]:
    for index, value in enumerate(values):
        try:
            model.model_validate({field: value})
        except ValidationError as error:
            wrong = [d for d in error.errors() if d["loc"] == (field,)]
            for details in wrong:
                yield FieldProblem((*path, index), *explain_error(details, (path[-1],), model))


def _fields(head: str, model: type[BaseModel] | None) -> list[str]:
    return [f"{head}.{name}" for name in model.model_fields] if model else []
