"""What a change of the specs means: which assets are made anew and why, and which stay.

    changed    its own semantic digest differs
    new        it was not there
    stale      something it needs is changed, new, stale or gone
    reused     nothing that counts differs
    cosmetic   only words for people or the way of writing differ: nothing is made anew
    removed    it is no longer there

Both sides are given as values, so the same function compares a branch with its merge base, and a
commit with what the ledger has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Literal

State = Literal["changed", "new", "stale", "reused", "cosmetic", "removed"]

FILES = "@files"
"""Key in `Known.values`: the files it names, by name, with the hash of their bytes."""
TECHNIQUES = "@techniques"
"""Key in `Known.values`: the techniques it uses, each with its version."""
TEXT = "@text"
"""Key in `Known.values`: the hash of the file it is written in; differing alone is cosmetic."""
_PLAIN = re.compile(r"[\w@:-]+\Z")


@dataclass(frozen=True)
class Known:
    """One spec on one side."""

    project: str
    name: str
    kind: str
    digest: str
    """Its semantic digest."""
    needs: tuple[str, ...] = ()
    """Names, in its project, of what it is made of; a change of one of these makes it stale."""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The spec with its defaults filled in, words for people included, and `FILES`, `TECHNIQUES`
    and `TEXT` beside it; empty where only the digest is known."""

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"


@dataclass(frozen=True)
class FieldChange:
    """A field that differs; None where one side has none."""

    path: str
    """Dotted, with `[0]` for the items of a list; the file's name for a file's bytes."""
    old: Any
    new: Any


@dataclass(frozen=True)
class Item:
    """What becomes of one asset."""

    project: str
    name: str
    kind: str
    state: State
    fields: tuple[FieldChange, ...] = ()
    """What differs in the spec itself."""
    reason: str = ""
    """Why, where the fields do not say it."""

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"

    @property
    def runs(self) -> bool:
        """True where it is made anew."""
        return self.state in ("changed", "new", "stale")


@dataclass(frozen=True)
class _Cause:
    """The nearest thing that makes others stale."""

    distance: int
    name: str
    state: str
    through: str
    """What the asset itself needs on the way there."""


def plan(wanted: Mapping[str, Known], built: Mapping[str, Known]) -> tuple[Item, ...]:
    """One item for each asset of either side; keys are `project/name`.

    Sorted by project; within one, each asset after what it needs, then what is removed.
    """
    causes: dict[str, _Cause] = {}
    items = [_item(known, wanted, built, causes) for known in _ordered(wanted)]
    for key in sorted(built.keys() - wanted.keys()):
        gone = built[key]
        items.append(Item(gone.project, gone.name, gone.kind, "removed"))
    return tuple(sorted(items, key=lambda item: item.project))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields in which two specs' values differ, in the order of `new`; empty where one side's
    values are not known."""
    return tuple(_differing("", old, new)) if old and new else ()


def _item(
    known: Known,
    wanted: Mapping[str, Known],
    built: Mapping[str, Known],
    causes: dict[str, _Cause],
) -> Item:
    """The state of one asset; what it needs has gone through here before it."""
    before = built.get(known.key)
    cause = _cause(known, wanted, causes)
    if before is None:
        state: State = "new"
    elif before.digest != known.digest:
        state = "changed"
    elif cause:
        state = "stale"
    else:
        state = "cosmetic" if _rewritten(before, known) else "reused"
    if state in ("changed", "new"):
        causes[known.key] = _Cause(0, known.name, state, "")
    elif cause:
        causes[known.key] = cause
    fields = differences(before.values, known.values) if before else ()
    shown = tuple(one for one in fields if one.path != TEXT)
    reason = _reason(state, shown, cause)
    return Item(known.project, known.name, known.kind, state, shown, reason)


def _cause(
    known: Known, wanted: Mapping[str, Known], causes: Mapping[str, _Cause]
) -> _Cause | None:
    """The nearest cause among what an asset needs; of two equally near the first by name."""
    found = []
    for name in known.needs:
        key = f"{known.project}/{name}"
        if key not in wanted:
            found.append(_Cause(1, name, "gone", name))
        elif key in causes:
            one = causes[key]
            found.append(_Cause(one.distance + 1, one.name, one.state, name))
    return min(found, key=lambda one: (one.distance, one.name, one.through), default=None)


def _rewritten(before: Known, known: Known) -> bool:
    return bool(before.values and known.values) and before.values != known.values


def _reason(state: State, shown: tuple[FieldChange, ...], cause: _Cause | None) -> str:
    if state == "stale" and cause:
        way = f" (through '{cause.through}')" if cause.through != cause.name else ""
        return f"'{cause.name}' is {cause.state}{way}"
    if state == "cosmetic" and not shown:
        return "only comments, order or formatting differ"
    return ""


def _ordered(wanted: Mapping[str, Known]) -> Iterator[Known]:
    """Each after what it needs, ties by key; what needs itself in a circle comes last."""
    above = {
        key: {f"{known.project}/{name}" for name in known.needs} & wanted.keys() - {key}
        for key, known in wanted.items()
    }
    below: dict[str, list[str]] = {key: [] for key in wanted}
    for key, needed in above.items():
        for one in needed:
            below[one].append(key)
    waits = {key: len(needed) for key, needed in above.items()}
    ready = [key for key, count in waits.items() if not count]
    heapify(ready)
    while ready:
        key = heappop(ready)
        del waits[key]
        yield wanted[key]
        for one in below[key]:
            waits[one] -= 1
            if not waits[one]:
                heappush(ready, one)
    yield from (wanted[key] for key in sorted(waits))


def _differing(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    below: list[FieldChange] = []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*new, *(key for key in old if key not in new)):
            below += _differing(_below(path, str(key)), old.get(key), new.get(key))
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        below += _in_list(path, list(old), list(new))
    if below:
        yield from below
    elif path and old != new:  # plain values; or nothing but nulls that one side does not have
        yield FieldChange(path, old, new)


def _in_list(path: str, old: list[Any], new: list[Any]) -> Iterator[FieldChange]:
    """Items that differ, once the ones that both begin and end with are taken off."""
    most, first = min(len(old), len(new)), 0
    while first < most and old[first] == new[first]:
        first += 1
    last = 0
    while last < most - first and old[-1 - last] == new[-1 - last]:
        last += 1
    one, other = old[first : len(old) - last], new[first : len(new) - last]
    for place in range(max(len(one), len(other))):
        yield from _differing(
            f"{path}[{first + place}]",
            one[place] if place < len(one) else None,
            other[place] if place < len(other) else None,
        )


def _below(path: str, key: str) -> str:
    """`train.epochs`; a file's name stands alone."""
    if path in (FILES, TECHNIQUES):
        return key
    shown = key if _PLAIN.match(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{shown}" if path else shown
