"""Fine-tunes: a prompt where the base needs one, rows to learn from, fields a sweep may vary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from tidemill.catalog import TRAINING
from tidemill.errors import suggest
from tidemill.spec.dataset import Dataset
from tidemill.spec.finetune import Alternative, Candidates, FineTune, Sweep, Train
from tidemill.spec.load import Project
from tidemill.spec.neighbours import base_of, find_spec
from tidemill.spec.options import (
    FieldProblem,
    ignored_fields,
    options_model,
    ranks,
    takes_no_steps,
)
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
    if base and base.task != "causal-lm" and dataset:
        yield from _format(spec, dataset)
    if spec.method in TRAINING.names():
        yield from _method(spec, project)
    if spec.sweep is not None:
        yield from _sweep(spec, spec.sweep)
    if spec.candidates is not None:
        yield from _candidates(spec, spec.candidates, project)
    most = spec.early_stop.max_epochs if spec.early_stop else None
    if most is not None and most < spec.train.epochs:
        cause = f"'max_epochs' {most:g} is less than the {spec.train.epochs:g} of 'train.epochs'"
        yield FieldProblem(("early_stop", "max_epochs"), cause, "raise it, or lower 'epochs'")


def _format(spec: FineTune, dataset: Dataset) -> Iterator[FieldProblem]:
    """An encoder classifies, or recommends items where the method ranks."""
    needed = "ranking" if ranks(spec.method) else "classification"
    if dataset.format != needed:
        does = f"recommends with method {spec.method}" if ranks(spec.method) else "classifies"
        cause = f"'{spec.base}' {does}, and '{spec.dataset}' has format {dataset.format}"
        other = ", or write 'method: ranker'" if dataset.format == "ranking" else ""
        yield FieldProblem(("dataset",), cause, f"name a dataset with format {needed}{other}")


def _method(spec: FineTune, project: Project) -> Iterator[FieldProblem]:
    problems = list(_fits(spec, project))
    yield from problems
    if not any(problem.path == ("method",) for problem in problems):
        yield from _without_effect(spec)


def _fits(spec: FineTune, project: Project) -> Iterator[FieldProblem]:
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


def _without_effect(spec: FineTune) -> Iterator[FieldProblem]:
    """Fields that are written out although the method does not look at them."""
    for path in ignored_fields(spec):
        owner = spec.train if path[0] == "train" else spec
        if path[0] in spec.model_fields_set and path[-1] in owner.model_fields_set:
            cause = f"'{path[-1]}' has no effect with method {spec.method}, which takes no steps"
            way_out = "delete it, or write 'method: full' to tune all weights"
            yield FieldProblem(path, cause, way_out)


def _sweep(spec: FineTune, sweep: Sweep) -> Iterator[FieldProblem]:
    for key, values in sweep.space.items():
        path = ("sweep", "space", key)
        model = _model_of(spec, key)
        if model is None:
            way_out = suggest(key, _field_names(spec))
            yield FieldProblem(path, f"'{key}' is nothing a sweep can vary", way_out)
            continue
        if not values:
            yield FieldProblem(path, f"'{key}' has no values to try", "list some")
        for index, value in enumerate(values):
            yield from _value((*path, index), model, key, value)


def _candidates(spec: FineTune, candidates: Candidates, project: Project) -> Iterator[FieldProblem]:
    if spec.sweep is not None:
        cause = "'sweep' cannot be used beside 'candidates'"
        yield FieldProblem(("sweep",), cause, "delete it, or list its values as alternatives")
    labels: set[str] = set()
    for index, alternative in enumerate(candidates.alternatives):
        path = ("candidates", "alternatives", index)
        if not alternative.label or alternative.label in labels:
            cause = "an alternative changes nothing, or is there twice"
            yield FieldProblem(path, cause, "name a base, a method or settings, or delete it")
        labels.add(alternative.label)
        yield from _alternative(spec, alternative, path, project)


def _alternative(
    spec: FineTune, alternative: Alternative, path: tuple[str | int, ...], project: Project
) -> Iterator[FieldProblem]:
    if alternative.method is not None and alternative.method not in TRAINING.names():
        return
    variant = alternative.model_copy(update={"settings": {}}).applied_to(spec)
    own, other = base_of(project, spec.base), base_of(project, variant.base)
    if own and other and own.task != other.task:
        cause = f"'{variant.base}' is for {other.task}, '{spec.base}' for {own.task}"
        yield FieldProblem((*path, "base"), cause, "name a model for the same task")
        return
    if ranks(variant.method) != ranks(spec.method):
        cause = f"method {variant.method} is for another format of rows than {spec.method}"
        yield FieldProblem((*path, "method"), cause, "name a method for the same rows")
        return
    for problem in _fits(variant, project):
        yield FieldProblem(path, problem.cause, problem.way_out)
    for key, value in alternative.settings.items():
        model = _model_of(variant, key)
        if model is None:
            cause = f"'{key}' is nothing an alternative can set"
            way_out = suggest(key, _field_names(variant))
            yield FieldProblem((*path, "settings", key), cause, way_out)
        else:
            yield from _value((*path, "settings", key), model, key, value)


def _models(spec: FineTune) -> dict[str, type[BaseModel] | None]:
    method = spec.method if spec.method in TRAINING.names() else None
    return {"train": Train, "options": options_model(TRAINING, method) if method else None}


def _model_of(spec: FineTune, key: str) -> type[BaseModel] | None:
    """The model whose field a dotted name is; None where a spec of this method has no such."""
    head, _, field = key.partition(".")
    model = _models(spec).get(head)
    return model if key in _field_names(spec) and model and field in model.model_fields else None


def _field_names(spec: FineTune) -> list[str]:
    ignored = {".".join(path) for path in ignored_fields(spec)}
    names = [
        f"{head}.{field}"
        for head, model in _models(spec).items()
        for field in (model.model_fields if model else ())
    ]
    return [name for name in names if name not in ignored]


def _value(
    path: tuple[str | int, ...], model: type[BaseModel], key: str, value: Any
) -> Iterator[FieldProblem]:
    field = key.partition(".")[2]
    try:
        model.model_validate({field: value})
    except ValidationError as error:
        for details in error.errors():
            if details["loc"] == (field,):
                yield FieldProblem(path, *explain_error(details, (key,), model))
