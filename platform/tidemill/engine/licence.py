"""The licence chain of a release: from what it was made, to what it may be published under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

UNKNOWN = "unknown"
OPEN = frozenset(
    [
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "unlicense",
        "cc-by-4.0",
        "cc-by-3.0",
        "isc",
        "odc-by",
        "pddl",
        "ms-pl",
        "zlib",
    ]
)
"""Licences that let a derived work carry another licence (naming the source may be asked)."""
SHARE_ALIKE = frozenset(
    [
        "cc-by-sa-4.0",
        "cc-by-sa-3.0",
        "gpl-2.0",
        "gpl-3.0",
        "agpl-3.0",
        "lgpl-3.0",
        "odbl",
        "cc-by-nc-sa-4.0",
    ]
)
"""Licences that a derived work has to keep."""


@dataclass(frozen=True)
class Ingredient:
    """One thing a release was made from, and the licence its spec names."""

    what: str
    """base model, dataset."""
    name: str
    licence: str = UNKNOWN

    @property
    def key(self) -> str:
        """The licence in the spelling of the Hugging Face hub: lower case."""
        return self.licence.strip().lower() or UNKNOWN


@dataclass(frozen=True)
class Chain:
    """The ingredients, the licence that follows, and what stands against it."""

    ingredients: tuple[Ingredient, ...]
    licence: str
    """The strictest of the chain; `unknown` where that cannot be said."""
    conflicts: tuple[str, ...] = ()
    """Sentences; each names what does not go together."""
    open_questions: tuple[str, ...] = ()
    """Sentences on what is not known; silence is no permission."""


def chain(ingredients: Sequence[Ingredient], stated: str = "") -> Chain:
    """What follows from the licences of the ingredients.

    `stated` is the licence that people gave the release itself; it is kept and held against the
    others. Identifiers are compared as they are written (SPDX, case aside); a licence that is in
    neither list above is taken as one with conditions of its own. This is bookkeeping and no legal
    advice.
    """
    known = [one for one in ingredients if one.key != UNKNOWN]
    questions = tuple(
        f"The licence of {one.what} '{one.name}' is not stated."
        for one in ingredients
        if one.key == UNKNOWN
    )
    conflicts = (*_forbidden(known, stated), *_unlike(known), *_dropped(known, stated))
    return Chain(tuple(ingredients), _strictest(known, stated), conflicts, questions)


def _strictest(known: Sequence[Ingredient], stated: str) -> str:
    if stated.strip():
        return stated.strip().lower()
    ranked = sorted(known, key=lambda one: -_weight(one.key))
    first = next(iter(ranked), None)
    if first is None:
        return UNKNOWN
    models = [one.key for one in known if one.what == "base model"]
    return models[0] if models and _weight(first.key) == 0 else first.key


def _weight(licence: str) -> int:
    """0 for an open licence, more for each kind of condition it lays on derived works."""
    if licence in OPEN:
        return 0
    return 1 + (licence in SHARE_ALIKE) + _no_money(licence) + 2 * _no_derivatives(licence)


def _no_money(licence: str) -> bool:
    return "-nc" in licence or "non-commercial" in licence or "noncommercial" in licence


def _no_derivatives(licence: str) -> bool:
    return "-nd" in licence


def _forbidden(known: Sequence[Ingredient], stated: str) -> tuple[str, ...]:
    found = [
        f"{_said(one)} forbids derived works, and a model trained on or from it may be one."
        for one in known
        if _no_derivatives(one.key)
    ]
    commercial = bool(stated) and not _no_money(stated.lower())
    found += [
        f"{_said(one)} forbids commercial use, and the release is stated as {stated}."
        for one in known
        if commercial and _no_money(one.key)
    ]
    return tuple(found)


def _unlike(known: Sequence[Ingredient]) -> tuple[str, ...]:
    """Two licences that a derived work would have to keep, both."""
    kept = {one.key: one for one in known if one.key in SHARE_ALIKE}
    return tuple(
        f"{_said(one)} and {_said(other)} each ask a derived work to carry their own licence."
        for one, other in combinations(kept.values(), 2)
    )


def _dropped(known: Sequence[Ingredient], stated: str) -> tuple[str, ...]:
    wanted = stated.strip().lower()
    if not wanted:
        return ()
    return tuple(
        f"{_said(one)} asks a derived work to keep its licence, and the release is stated as "
        f"{stated}."
        for one in known
        if one.key in SHARE_ALIKE and one.key != wanted
    )


def _said(one: Ingredient) -> str:
    return f"{one.what.capitalize()} '{one.name}' ({one.licence})"
