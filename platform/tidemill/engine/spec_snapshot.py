"""A spec as plain values, how two of them differ, and the order in which assets are built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

FILES = "@files"
"""Key in `SpecSnapshot.fields`: the files it names, by name, with the hash of their bytes."""
TECHNIQUES = "@techniques"
"""Key in `SpecSnapshot.fields`: the techniques it uses, each with its version."""
TEXT = "@text"
"""Key in `SpecSnapshot.fields`: the hash of its YAML file; a difference here alone is cosmetic."""
_PLAIN = re.compile(r"[\w@:-]+\Z")


@dataclass(frozen=True)
class SpecSnapshot:
    """One spec of a commit or of the working tree."""

    project: str
    name: str
    kind: str
    digest: str
    """Its semantic digest, `sha256:` and 64 hex digits; empty where the spec cannot be read."""
    inputs: tuple[str, ...] = ()
    """Names, in its project, of the specs whose artefacts it is built from."""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The spec as plain values with every default filled in, `owner` and `description` included,
    and with `FILES`, `TECHNIQUES` and `TEXT`; empty where only the digest is known."""
    baseline: str = ""
    """The service whose live release an evaluation compares with; empty for all others."""

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"


@dataclass(frozen=True)
class FieldChange:
    """A field that differs; None where one side has no such field."""

    path: str
    """Dotted, with `[0]` for the items of a list; the file's name for a file's bytes."""
    old: Any
    new: Any


def field_changes(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[FieldChange, ...]:
    """The fields in which two specs differ, in the order of `new`; empty where the fields of one
    of them are not known."""
    return tuple(_field_differences("", old, new)) if old and new else ()


def build_order(specs: Mapping[str, SpecSnapshot]) -> Iterator[SpecSnapshot]:
    """Each spec after its inputs, ties by key; specs in a cycle come last. Keys: `project/name`."""
    parents = {
        key: {f"{spec.project}/{name}" for name in spec.inputs} & specs.keys() - {key}
        for key, spec in specs.items()
    }
    children: dict[str, list[str]] = {key: [] for key in specs}
    for key, above in parents.items():
        for parent in above:
            children[parent].append(key)
    unbuilt_parents = {key: len(above) for key, above in parents.items()}
    ready = [key for key, count in unbuilt_parents.items() if not count]
    heapify(ready)
    while ready:
        key = heappop(ready)
        del unbuilt_parents[key]
        yield specs[key]
        for child in children[key]:
            unbuilt_parents[child] -= 1
            if not unbuilt_parents[child]:
                heappush(ready, child)
    yield from (specs[key] for key in sorted(unbuilt_parents))


def _field_differences(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    nested: list[FieldChange] = []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*new, *(key for key in old if key not in new)):
            nested += _field_differences(_join_path(path, str(key)), old.get(key), new.get(key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        nested += _item_differences(path, list(old), list(new))
    if nested:
        yield from nested
    elif path and old != new:  # plain values; or nothing but nulls that one side does not have
        yield FieldChange(path, old, new)


def _item_differences(path: str, old: list[Any], new: list[Any]) -> Iterator[FieldChange]:
    """Items that differ, without the ones that both lists begin and end with."""
    shortest, first = min(len(old), len(new)), 0
    while first < shortest and old[first] == new[first]:
        first += 1
    last = 0
    while last < shortest - first and old[-1 - last] == new[-1 - last]:
        last += 1
    before, after = old[first : len(old) - last], new[first : len(new) - last]
    for index in range(max(len(before), len(after))):
        yield from _field_differences(
            f"{path}[{first + index}]",
            before[index] if index < len(before) else None,
            after[index] if index < len(after) else None,
        )


def _join_path(path: str, key: str) -> str:
    """`train.epochs`; a file's name stands alone."""
    if path in (FILES, TECHNIQUES):
        return key
    name = key if _PLAIN.match(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{name}" if path else name
