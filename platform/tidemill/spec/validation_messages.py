"""What pydantic says about a value, in the words of the spec language: (cause, way out)."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from tidemill.errors import suggest
from tidemill.spec.base import Misfit
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


def words(details: ErrorDetails, path: Path_, holder: type[BaseModel] | None) -> tuple[str, str]:
    """Cause and way out of one of pydantic's errors."""
    problem, given = details["type"], details["input"]
    context: dict[str, Any] = details.get("ctx") or {}
    here = f"'{key_of(path)}: {shown_value(given)}'" if path else "the spec"
    if isinstance(given, dict | list):
        here = f"'{key_of(path)}'" if path else "the spec"
    match problem:
        case "extra_forbidden":
            return unknown_key(str(path[-1]), _place(path, holder), holder)
        case "missing":
            return _missing(str(path[-1]), _place(path, holder), holder)
        case "value_error":
            return _own(context["error"], path, given)
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            wanted, limit = next((_LIMITS[key], context[key]) for key in _LIMITS if key in context)
            return f"{here} is out of range", f"it has to be {wanted} {limit:g}"
        case "literal_error":
            return f"{here} is not allowed", _closest(given, context["expected"])
        case "union_tag_invalid":
            key = str(context["discriminator"]).strip("'")
            expected = suggest(str(context["tag"]), _QUOTED.findall(context["expected_tags"]))
            return f"'{key}: {context['tag']}' is not allowed in {_in(path)}", expected
        case "union_tag_not_found":
            key = str(context["discriminator"]).strip("'")
            return f"{_in(path)} has no '{key}'", f"add '{key}:' to pick its shape"
        case "string_pattern_mismatch":
            cause, way_out = _PATTERNS.get(
                context["pattern"], ("has the wrong form", f"it matches {context['pattern']}")
            )
            return f"{here} {cause}", way_out
        case "too_short" | "too_long":
            return _count(here, context)
    if problem in _WANTED:
        return _wrong_type(here, given, _WANTED[problem])
    return f"{here} is wrong", details["msg"][:1].lower() + details["msg"][1:]


def _own(error: Exception, path: Path_, given: Any) -> tuple[str, str]:
    """What one of our validators says; one that names only the value gets its key in front."""
    if isinstance(error, Misfit):
        return error.cause, error.way_out
    cause, _, way_out = str(error).partition("; ")
    quoted = f"'{given}'"
    if path and cause.startswith(quoted):
        cause = f"'{key_of(path)}: {given}'{cause.removeprefix(quoted)}"
    return cause, way_out


def unknown_key(key: str, place: str, model: type[BaseModel] | None) -> tuple[str, str]:
    """An unknown key, with the nearest known one."""
    fields = model.model_fields.items() if model else ()
    known = [info.alias or name for name, info in fields]
    return f"'{key}' is no key of {place}", suggest(key, known) if known else "delete it"


def shown_value(value: Any) -> str:
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


def _place(path: Path_, holder: type[BaseModel] | None) -> str:
    inner = key_of(path[:-1])
    if inner:
        return f"'{inner}'"
    return holder.__name__ if holder else "the spec"


def _in(path: Path_) -> str:
    return f"'{key_of(path)}'" if path else "the spec"


def _missing(key: str, place: str, model: type[BaseModel] | None) -> tuple[str, str]:
    fields = model.model_fields.values() if model else ()
    names = model.model_fields if model else ()
    told = {info.alias or name: info for name, info in zip(names, fields, strict=True)}
    about = (told[key].description or "") if key in told else ""
    sentence = " ".join(about.split()).split(". ")[0].rstrip(".")
    hint = f" ({sentence})" if sentence else ""
    return f"{place} has no '{key}'", f"add it{hint}"


def _closest(given: Any, expected: str) -> str:
    known = _QUOTED.findall(expected)
    if isinstance(given, str) and known:
        return suggest(given, known)
    return f"write {expected}"


def _count(here: str, context: dict[str, Any]) -> tuple[str, str]:
    low, high = context.get("min_length"), context.get("max_length")
    if low is not None:
        return f"{here} is empty" if low == 1 else f"{here} is too short", f"give at least {low}"
    return f"{here} is too long", f"give at most {high}"


def _wrong_type(here: str, given: Any, wanted: tuple[str, str]) -> tuple[str, str]:
    what, way_out = wanted
    if given is None:
        return here.replace(": null'", "' is empty"), "give it a value"
    if isinstance(given, dict | list):
        way_out = f"write {what}" if what == "text" else way_out
        return f"{here} is {shown_value(given)}, not {what}", way_out
    return f"{here} is not {what}", way_out
