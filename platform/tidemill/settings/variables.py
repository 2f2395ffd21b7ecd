"""The environment variables as a table, made from the fields; and the variables that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from tidemill.settings import Settings
from tidemill.settings.environment import (
    Section,
    default_text,
    is_secret,
    may_hold_password,
    names_of,
    section_of,
)

PREFIX = "TIDEMILL_"
INTERNAL = frozenset({"TIDEMILL_RUN"})
"""Variables that our own processes pass to each other; nobody sets them."""
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")


@dataclass(frozen=True)
class Variable:
    """One environment variable as people read of it."""

    name: str
    meaning: str
    default: str
    """The default in words; empty for none."""
    is_secret: bool
    fallbacks: tuple[str, ...] = ()
    """Variables of other tools that are read where this one is not set."""


def variables() -> list[Variable]:
    """Every variable of ours, and those of other tools that are read alone, in the fields' order.

    A variable that several fields read (as those of a forge) comes once.
    """
    table: dict[str, Variable] = {}
    for field in _fields(Settings):
        name, *fallbacks = names_of(field)
        before = table.get(name)
        table[name] = Variable(
            name,
            " ".join((field.description or "").split()),
            default_text(field),
            is_secret(field),
            (*(before.fallbacks if before else ()), *fallbacks),
        )
    return list(table.values())


def values(settings: Settings) -> dict[str, str]:
    """The value of each variable that is set; for a secret only `set`."""
    return dict(_values(settings))


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that begins like ours and is none, with the nearest name."""
    names = {name for field in _fields(Settings) for name in names_of(field)} | INTERNAL
    return [
        f"{name} is no setting{_nearest(name, names)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in names
    ]


def _nearest(name: str, names: set[str]) -> str:
    ours = {other.removeprefix(PREFIX): other for other in names if other.startswith(PREFIX)}
    near = get_close_matches(name.removeprefix(PREFIX), sorted(ours), n=1, cutoff=0.7)
    return (
        f"; did you mean {ours[near[0]]}?"
        if near
        else " and has no effect; see `tidemill settings`"
    )


def _fields(section: type[Section]) -> Iterator[FieldInfo]:
    for field in section.model_fields.values():
        inner = section_of(field)
        if inner is not None:
            yield from _fields(inner)
        else:
            yield field


def _values(section: Section) -> Iterator[tuple[str, str]]:
    for attribute, field in type(section).model_fields.items():
        value = getattr(section, attribute)
        if isinstance(value, Section):
            yield from _values(value)
        elif attribute in section.model_fields_set and value is not None:
            yield names_of(field)[0], _display_value(field, value)


def _display_value(field: FieldInfo, value: object) -> str:
    if isinstance(value, SecretStr | SecretBytes):
        return "set"
    return _PASSWORD.sub(r"\1:***@", str(value)) if may_hold_password(field) else str(value)
