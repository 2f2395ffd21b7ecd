"""Messages for pydantic's errors in terms of the spec language: (cause, way out)."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from tidemill.errors import suggest
from tidemill.spec.base import FieldConflict
from tidemill.spec.positions import Path_

_QUOTED = re.compile(r"'([^']*)'")
_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
_PATTERNS = {
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": (
        "is no name",
        "use lower-case letters, digits and hyphens, 63 at most",
    ),
    r"^sha256:[0-9a-f]{64}$": (
        "is no digest",
        "write `sha256:` and 64 hexadecimal digits",
    ),
    r"^[0-9a-f]{64}$": ("is no SHA-256", "write its 64 hexadecimal digits"),
    r"^[0-9a-f]{40}$": (
        "is no full commit hash",
        "write all 40 hexadecimal digits; a branch or tag can move",
    ),
    r"^[a-zA-Z0-9._-]{1,249}$": (
        "is no name of a Kafka topic",
        "use letters, digits, dots, underscores and hyphens, 249 at most",
    ),
}
_MAPPING = ("a mapping", "write 'key: value' lines below it")
_LIST = ("a list", "write '- item' lines below it")
_NUMBER = ("a number", "write one such as 0.5")
_WHOLE = ("a whole number", "write one such as 3")
_BOOLEAN = ("true or false", "write one of the two")
_WANTED = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "string_type": ("text", "put the value in quotes"),
}


def explain_error(
    details: ErrorDetails, path: Path_, holder: type[BaseModel] | None
) -> tuple[str, str]:
    """Cause and way out of one of pydantic's errors."""
    problem, value = details["type"], details["input"]
    context: dict[str, Any] = details.get("ctx") or {}
    field_text = f"'{key_of(path)}: {format_value(value)}'" if path else "the spec"
    if isinstance(value, dict | list):
        field_text = f"'{key_of(path)}'" if path else "the spec"
    match problem:
        case "extra_forbidden":
            return unknown_key(str(path[-1]), _location(path, holder), holder)
        case "missing":
            return _missing_key(str(path[-1]), _location(path, holder), holder)
        case "value_error":
            return _own(context["error"], path, value)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bound, limit = next((_LIMITS[key], context[key]) for key in _LIMITS if key in context)
            return f"{field_text} is out of range", f"it has to be {bound} {limit:g}"
        case "literal_error":
            return f"{field_text} is not allowed", _closest(value, context["expected"])
        case "union_tag_invalid":
            key = str(context["discriminator"]).strip("'")
            expected = suggest(str(context["tag"]), _QUOTED.findall(context["expected_tags"]))
            return f"'{key}: {context['tag']}' is not allowed in {_in_path(path)}", expected
        case "union_tag_not_found":
            key = str(context["discriminator"]).strip("'")
            return f"{_in_path(path)} has no '{key}'", f"add '{key}:' to pick its shape"
        case "string_pattern_mismatch":
            cause, way_out = _PATTERNS.get(
                context["pattern"], ("has the wrong form", f"it matches {context['pattern']}")
            )
            return f"{field_text} {cause}", way_out
        case "too_short" | "too_long":
            return _count(field_text, context.get("min_length"), context.get("max_length"))
    if problem in _WANTED:
        return _wrong_type(field_text, value, _WANTED[problem])
    return f"{field_text} is wrong", details["msg"][:1].lower() + details["msg"][1:]


def _own(error: Exception, path: Path_, value: Any) -> tuple[str, str]:
    """Message of one of our validators; the key is put before a message that names only a value."""
    if isinstance(error, FieldConflict):
        return error.cause, error.way_out
    cause, _, way_out = str(error).partition("; ")
    quoted = f"'{value}'"
    if path and cause.startswith(quoted):
        cause = f"'{key_of(path)}: {value}'{cause.removeprefix(quoted)}"
    return cause, way_out


def unknown_key(key: str, location: str, model: type[BaseModel] | None) -> tuple[str, str]:
    """An unknown key, with the nearest known one."""
    fields = model.model_fields.items() if model else ()
    names = [info.alias or name for name, info in fields]
    return f"'{key}' is no key of {location}", suggest(key, names) if names else "delete it"


def format_value(value: Any) -> str:
    """A value as a person wrote it, cut to a line."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def key_of(path: Path_) -> str:
    """The last key on the way, without list indices."""
    return next((str(part) for part in reversed(path) if isinstance(part, str)), "")


def _location(path: Path_, holder: type[BaseModel] | None) -> str:
    inner = key_of(path[:-1])
    if inner:
        return f"'{inner}'"
    return holder.__name__ if holder else "the spec"


def _in_path(path: Path_) -> str:
    return f"'{key_of(path)}'" if path else "the spec"


def _missing_key(key: str, location: str, model: type[BaseModel] | None) -> tuple[str, str]:
    fields = model.model_fields.values() if model else ()
    names = model.model_fields if model else ()
    fields_by_key = {info.alias or name: info for name, info in zip(names, fields, strict=True)}
    about = (fields_by_key[key].description or "") if key in fields_by_key else ""
    sentence = " ".join(about.split()).split(". ")[0].rstrip(".")
    hint = f" ({sentence})" if sentence else ""
    return f"{location} has no '{key}'", f"add it{hint}"


def _closest(value: Any, expected: str) -> str:
    options = _QUOTED.findall(expected)
    if isinstance(value, str) and options:
        return suggest(value, options)
    return f"write {expected}"


def _count(field_text: str, low: int | None, high: int | None) -> tuple[str, str]:
    if low is not None:
        return (
            f"{field_text} is empty" if low == 1 else f"{field_text} is too short",
            f"give at least {low}",
        )
    return f"{field_text} is too long", f"give at most {high}"


def _wrong_type(field_text: str, value: Any, expected: tuple[str, str]) -> tuple[str, str]:
    type_name, way_out = expected
    if value is None:
        return field_text.replace(": null'", "' is empty"), "give it a value"
    if isinstance(value, dict | list):
        way_out = f"write {type_name}" if type_name == "text" else way_out
        return f"{field_text} is {format_value(value)}, not {type_name}", way_out
    return f"{field_text} is not {type_name}", way_out
