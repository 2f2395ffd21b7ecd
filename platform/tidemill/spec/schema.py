"""The JSON Schema of the spec language, for editors: shapes, words under fields, known names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tidemill.catalog import TRAINING, Catalog
from tidemill.spec.base import Technique
from tidemill.spec.compression import CompressionStep
from tidemill.spec.dataset import CleanStep
from tidemill.spec.kinds import KINDS
from tidemill.spec.options import options_model
from tidemill.spec.trigger import Condition

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The draft the YAML language server knows best."""
HOME = "https://raw.githubusercontent.com/tidemill/tidemill/main/specs/schema.json"
"""URL of the newest schema, for editors of other repositories."""
_TECHNIQUES: tuple[type[Technique], ...] = (CleanStep, CompressionStep, Condition)
Json = dict[str, Any]


def text() -> str:
    """The content of `specs/schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Json:
    """One schema for all kinds; `kind` picks the shape, a technique's name picks its options."""
    _, document = models_json_schema(
        [(kind, "validation") for kind in KINDS.values()], by_alias=True
    )
    defs: Json = document["$defs"]
    for model in _TECHNIQUES:
        defs[model.__name__] = _technique(model, defs)
    defs["FineTune"]["allOf"] = list(_methods(defs))
    return {
        "$schema": DIALECT,
        "$id": HOME,
        "title": "Tidemill spec",
        "type": "object",
        "required": ["apiVersion", "kind", "name"],
        "properties": {"kind": {"enum": list(KINDS), "description": "Picks the shape."}},
        "allOf": [_if_then("kind", kind, {"$ref": f"#/$defs/{kind}"}) for kind in KINDS],
        "$defs": dict(sorted(defs.items())),
    }


def _technique(model: type[Technique], defs: Json) -> Json:
    """A technique's keys: `type`, then the options which that type declares."""
    names = model.catalog.names()
    own = defs[model.__name__]
    return {
        "title": model.__name__,
        "description": own.get("description", ""),
        "type": "object",
        "required": ["type"],
        "properties": {"type": {**own["properties"]["type"], "enum": list(names)}},
        "allOf": [_if_then("type", name, _variant(model.catalog, name, defs)) for name in names],
    }


def _variant(catalog: Catalog, name: str, defs: Json) -> Json:
    options = _options(catalog, name, defs)
    summary = (catalog.load(name).__doc__ or "").split("\n", 1)[0]
    return {
        **options,
        "description": summary,
        "properties": {"type": {"const": name}, **options.get("properties", {})},
        "additionalProperties": False,
    }


def _methods(defs: Json) -> Iterator[Json]:
    """The options of each fine-tuning method, where `method` names it."""
    default = KINDS["FineTune"].model_fields["method"].default
    for name in TRAINING.names():
        options = _options(TRAINING, name, defs)
        shape = {"properties": {"options": {**options, "additionalProperties": False}}}
        rule = _if_then("method", name, shape)
        if name == default:
            del rule["if"]["required"]  # the rule holds where the method is left out, too
        yield rule


def _options(catalog: Catalog, name: str, defs: Json) -> Json:
    model: type[BaseModel] | None = options_model(catalog, name)
    if model is None:
        return {"type": "object"}
    options = model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    defs.update(options.pop("$defs", {}))
    options.pop("title", None)
    return options


def _if_then(key: str, value: str, then: Json) -> Json:
    return {
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": then,
    }
