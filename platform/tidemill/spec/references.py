"""References in a spec: to other specs, files and techniques."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from tidemill.spec.base import NamesFile, NamesTechnique, RefersTo, Technique

Marker = RefersTo | NamesFile | NamesTechnique
_MARKERS = (RefersTo, NamesFile, NamesTechnique)


@dataclass(frozen=True)
class Reference:
    """One reference in a spec."""

    path: tuple[str | int, ...]
    """Keys and indices from the top of the document."""
    name: str
    """The name or path as written."""
    marker: Marker
    """Marker that says what the name refers to: a spec, a file or a technique."""
    holder: BaseModel
    """The value whose field it is."""

    @property
    def key(self) -> str:
        """The last key on the way, without list indices."""
        return next(str(part) for part in reversed(self.path) if isinstance(part, str))


def find_references(value: BaseModel, path: tuple[str | int, ...] = ()) -> Iterator[Reference]:
    """Every site below a spec, in the order of its fields."""
    for field, key, marker in _fields(type(value)):
        yield from _references_below(getattr(value, field), (*path, key), marker, value)


def find_techniques(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[Any, Technique]]:
    """Every `Technique` below a spec, with its path."""
    if isinstance(value, Technique):
        yield path, value
    if isinstance(value, BaseModel):
        for field, key, _ in _fields(type(value)):
            yield from find_techniques(getattr(value, field), (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from find_techniques(item, (*path, index))


def _references_below(
    value: Any, path: tuple[str | int, ...], marker: Marker | None, holder: BaseModel
) -> Iterator[Reference]:
    if isinstance(value, BaseModel):
        yield from find_references(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _references_below(item, (*path, index), marker, holder)
    elif marker is not None and isinstance(value, str):
        yield Reference(path, value, marker, holder)


@cache
def _fields(model: type[BaseModel]) -> tuple[tuple[str, str, Marker | None], ...]:
    """Fields worth descending into: (attribute, key in YAML, what a string there names)."""
    fields = []
    for name, info in model.model_fields.items():
        marker = _marker(info.annotation, tuple(info.metadata))
        if marker is not None or _leads_somewhere(info.annotation):
            fields.append((name, info.alias or name, marker))
    return tuple(fields)


def _marker(annotation: Any, metadata: tuple[Any, ...] = ()) -> Marker | None:
    for item in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(item, _MARKERS):
            return item
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None
    markers = (_marker(argument) for argument in get_args(annotation))
    return next((marker for marker in markers if marker is not None), None)


def _leads_somewhere(annotation: Any) -> bool:
    """True where a model below this annotation is a technique or has a field worth visiting."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return issubclass(annotation, Technique) or bool(_fields(annotation))
    return any(_leads_somewhere(argument) for argument in get_args(annotation))
