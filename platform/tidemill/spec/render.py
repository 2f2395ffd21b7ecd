"""A spec with every default filled in, each field under its own documentation: for reading."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from tidemill.catalog import TRAINING
from tidemill.spec.base import Spec, Technique
from tidemill.spec.digest import with_defaults
from tidemill.spec.finetune import FineTune
from tidemill.spec.options import options_model

WIDTH = 98


def render_documented(spec: Spec) -> str:
    """YAML that loads as the same spec, with a comment above each field."""
    return "\n".join(_mapping_lines(with_defaults(spec), spec, "")) + "\n"


def _mapping_lines(values: Mapping[str, object], model: Any, indent: str) -> list[str]:
    lines: list[str] = []
    words, inner = _words(model), _inner(model)
    for key, value in values.items():
        wrapped = textwrap.wrap(words.get(key, ""), WIDTH - len(indent))
        lines += [f"{indent}# {line}" for line in wrapped]
        lines += _entry(key, value, inner.get(key), indent)
    return lines


def _entry(key: str, value: Any, model: Any, indent: str) -> list[str]:
    holds_models = isinstance(model, BaseModel | tuple) and bool(value)
    if isinstance(value, dict) and holds_models:
        return [f"{indent}{key}:", *_mapping_lines(value, model, f"{indent}  ")]
    if isinstance(value, list) and holds_models and isinstance(model[0], BaseModel):
        items = zip(value, model, strict=True)
        return [f"{indent}{key}:", *(ln for v, m in items for ln in _item(v, m, f"{indent}  "))]
    return [f"{indent}{key}: {_flow(value)}"]


def _item(values: Mapping[str, object], model: Any, indent: str) -> list[str]:
    """An item of a list: its first key carries the dash, comments above it stay above."""
    lines = _mapping_lines(values, model, f"{indent}  ")
    first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
    lines[first] = f"{indent}- {lines[first].lstrip()}"
    return lines


def _words(model: Any) -> dict[str, str]:
    """Key → the documentation under its field, options of a technique included."""
    models = [type(model)]
    if isinstance(model, Technique):
        models.append(type(model.options))
    return {
        field.alias or name: " ".join((field.description or "").split())
        for part in models
        for name, field in getattr(part, "model_fields", {}).items()
    }


def _inner(model: Any) -> dict[str, object]:
    """Key → the model that stands there, where one does."""
    if not isinstance(model, BaseModel):
        return {}
    models = {
        field.alias or name: getattr(model, name)
        for name, field in type(model).model_fields.items()
    }
    if isinstance(model, FineTune) and (options := options_model(TRAINING, model.method)):
        models["options"] = options.model_validate(dict(model.options))
    return models


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf
    )
    return text.removesuffix("\n...\n").strip()
