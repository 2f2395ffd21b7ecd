"""Parses one document into one spec; pydantic's errors become problems with lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tidemill.errors import Problem, SpecError, suggest
from tidemill.spec.base import API_VERSION, FieldConflict, Spec
from tidemill.spec.kinds import KINDS
from tidemill.spec.options import technique_problems
from tidemill.spec.positions import MAX_PROBLEMS, Path_, YamlDocument
from tidemill.spec.validation_messages import explain_error, format_value

_TAGS = ("type", "runtime", "mode")


def parse_spec(document: YamlDocument, display: Path) -> Spec:
    """The spec a document holds; raises `SpecError` with every problem of this document."""
    kind = _kind(document, display)
    try:
        spec = kind.model_validate(document.value)
    except ValidationError as error:
        messages = islice(translate(error, kind, document, display), MAX_PROBLEMS)
        raise SpecError(messages) from None
    problems = [
        Problem(display, document.line(*problem.path), problem.cause, problem.way_out)
        for problem in technique_problems(spec)
    ]
    if problems:
        raise SpecError(problems)
    return spec


def _kind(document: YamlDocument, display: Path) -> type[Spec]:
    value = document.value
    if not isinstance(value, dict):
        text = format_value(value)
        raise SpecError([Problem(display, 1, f"the document is {text}", "a spec is a mapping")])
    version = value.get("apiVersion")
    name = value.get("kind")
    if "apiVersion" not in value:
        cause = "this is no spec: it has no 'apiVersion'"
        way_out = f"begin with 'apiVersion: {API_VERSION}', or move the file into a subfolder"
        raise SpecError([Problem(display, 1, cause, way_out)])
    if version != API_VERSION:
        line = document.line("apiVersion")
        cause = f"'apiVersion: {version}' is not known here"
        raise SpecError([Problem(display, line, cause, f"write 'apiVersion: {API_VERSION}'")])
    if "kind" not in value:
        cause = "the spec has no 'kind'"
        raise SpecError([Problem(display, 1, cause, f"add one of {', '.join(KINDS)}")])
    if not isinstance(name, str) or name not in KINDS:
        by_case = {kind_name.lower(): kind_name for kind_name in KINDS}
        near = by_case.get(str(name).lower())
        way_out = f"did you mean '{near}'?" if near else suggest(str(name), tuple(KINDS))
        line = document.line("kind")
        raise SpecError([Problem(display, line, f"'kind: {name}' is no kind of spec", way_out)])
    return KINDS[name]


def translate(
    error: ValidationError, kind: type[BaseModel], document: YamlDocument, display: Path
) -> Iterator[Problem]:
    """Pydantic's errors of a document as problems, each with its line."""
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # pydantic counts the items that are right; the wrong ones are told already
        path = document_path(details["loc"], document.value)
        misfit = (details.get("ctx") or {}).get("error")
        if isinstance(misfit, FieldConflict):
            path = (*path, misfit.field)
        holder = _holder(kind, path, document.value)
        cause, way_out = explain_error(details, path, holder)
        yield Problem(display, document.line(*path), cause, way_out)


def document_path(loc: tuple[int | str, ...], value: Any) -> Path_:
    """Pydantic's location as a path of the document.

    Pydantic puts the tag of a discriminated union between a value and its fields; the document has
    no such step.
    """
    path: list[int | str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, dict) and not last and part in discriminators(value):
            continue
        path.append(part)
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
    return tuple(path)


def discriminators(value: dict[str, object]) -> tuple[Any, ...]:
    """Values of the keys that select a union member (`type`, `mode`) in a mapping of a spec."""
    return tuple(value.get(key) for key in _TAGS)


def _holder(kind: type[BaseModel], path: Path_, value: Any) -> type[BaseModel] | None:
    """The model whose field the last key of a path is."""
    annotation: Any = kind
    for part in path[:-1]:
        if get_origin(annotation) is dict:  # the part is a key that the writer chose
            annotation = get_args(annotation)[1]
            value = value.get(part) if isinstance(value, dict) else None
        elif isinstance(part, str):
            model = _model_for_value(annotation, value)
            field = _field(model, part) if model else None
            if field is None:
                return None
            annotation = field.annotation
            value = value.get(part) if isinstance(value, dict) else None
        elif isinstance(value, list) and part < len(value):
            value = value[part]
    return _model_for_value(annotation, value)


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    fields = model.model_fields.items()
    return next((info for name, info in fields if key in (name, info.alias)), None)


def _model_for_value(annotation: Any, value: Any) -> type[BaseModel] | None:
    """The model in an annotation; of a union, the one whose tag the value carries."""
    models = list(_models(annotation))
    if len(models) > 1 and isinstance(value, dict):
        models = [model for model in models if set(discriminators(value)) & _literals(model)]
    return models[0] if len(models) == 1 else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)


def _literals(model: type[BaseModel]) -> set[Any]:
    fields = model.model_fields
    annotations = [fields[name].annotation for name in _TAGS if name in fields]
    return {literal for annotation in annotations for literal in get_args(annotation)}
