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
class LicensedInput:
    """One thing a release was made from, and the licence its spec names."""

    role: str
    """base model, dataset."""
    name: str
    licence: str = UNKNOWN

    @property
    def key(self) -> str:
        """The licence in the spelling of the Hugging Face hub: lower case."""
        return self.licence.strip().lower() or UNKNOWN


@dataclass(frozen=True)
class LicenceChain:
    """The ingredients, the licence that follows, and what stands against it."""

    ingredients: tuple[LicensedInput, ...]
    licence: str
    """The strictest of the chain; `unknown` where that cannot be said."""
    conflicts: tuple[str, ...] = ()
    """Sentences; each names what does not go together."""
    open_questions: tuple[str, ...] = ()
    """Sentences on what is not known; silence is no permission."""


def licence_chain(ingredients: Sequence[LicensedInput], stated: str = "") -> LicenceChain:
    """What follows from the licences of the ingredients.

    `stated` is the licence that people gave the release itself; it is kept and held against the
    others. Identifiers are compared as they are written (SPDX, case aside); a licence that is in
    neither list above is taken as one with conditions of its own. This is bookkeeping and no legal
    advice.
    """
    stated_inputs = [item for item in ingredients if item.key != UNKNOWN]
    questions = tuple(
        f"The licence of {item.role} '{item.name}' is not stated."
        for item in ingredients
        if item.key == UNKNOWN
    )
    conflicts = (
        *_prohibitions(stated_inputs, stated),
        *_share_alike_conflicts(stated_inputs),
        *_missing_conditions(stated_inputs, stated),
    )
    return LicenceChain(tuple(ingredients), _strictest(stated_inputs, stated), conflicts, questions)


def _strictest(inputs: Sequence[LicensedInput], stated: str) -> str:
    if stated.strip():
        return stated.strip().lower()
    ranked = sorted(inputs, key=lambda item: -_weight(item.key))
    first = next(iter(ranked), None)
    if first is None:
        return UNKNOWN
    models = [item.key for item in inputs if item.role == "base model"]
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


def _prohibitions(inputs: Sequence[LicensedInput], stated: str) -> tuple[str, ...]:
    conflicts = [
        f"{_describe(item)} forbids derived works, and a model trained on or from it may be one."
        for item in inputs
        if _no_derivatives(item.key)
    ]
    commercial = bool(stated) and not _no_money(stated.lower())
    conflicts += [
        f"{_describe(item)} forbids commercial use, and the release is stated as {stated}."
        for item in inputs
        if commercial and _no_money(item.key)
    ]
    return tuple(conflicts)


def _share_alike_conflicts(inputs: Sequence[LicensedInput]) -> tuple[str, ...]:
    """Two licences that a derived work would have to keep, both."""
    share_alike = {first.key: first for first in inputs if first.key in SHARE_ALIKE}
    return tuple(
        f"{_describe(first)} and {_describe(second)} each require a derived work to carry their "
        "own licence."
        for first, second in combinations(share_alike.values(), 2)
    )


def _missing_conditions(inputs: Sequence[LicensedInput], stated: str) -> tuple[str, ...]:
    licence = stated.strip().lower()
    if not licence:
        return ()
    return tuple(
        f"{_describe(item)} requires a derived work to keep its licence, and the release is stated "
        f"as {stated}."
        for item in inputs
        if item.key in SHARE_ALIKE and item.key != licence
    )


def _describe(item: LicensedInput) -> str:
    return f"{item.role.capitalize()} '{item.name}' ({item.licence})"
