"""What a change of the specs means: which assets are rebuilt and why, and which stay.

    changed           its own semantic digest differs
    new               the other side does not have it
    stale             an input is changed, new, rebuilt or gone
    never_built       its spec is the same, and it was never built here
    missing_artefact  its spec is the same, and the store does not have its files
    blocked           it would be rebuilt, but an input failed a blocking check and stays as it is
    reused            nothing that counts differs
    cosmetic          only descriptions, comments or formatting differ: nothing is rebuilt
    removed           it is no longer in the specs

`plan` compares a branch with its merge base. `with_built_state` adds what is built here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tidemill.engine.spec_snapshot import TEXT, FieldChange, SpecSnapshot, field_changes
from tidemill.engine.staleness import (
    ArtefactMissing,
    Fresh,
    InputChanged,
    NeverBuilt,
    RecordedAsset,
    SpecChanged,
    Staleness,
    input_reason,
    reason,
    staleness,
)

PlanState = Literal[
    "changed",
    "new",
    "stale",
    "never_built",
    "missing_artefact",
    "blocked",
    "removed",
    "cosmetic",
    "reused",
]
_REBUILT: tuple[PlanState, ...] = ("changed", "new", "stale", "never_built", "missing_artefact")


@dataclass(frozen=True)
class PlanEntry:
    """What happens to one asset."""

    project: str
    name: str
    kind: str
    state: PlanState
    fields: tuple[FieldChange, ...] = ()
    """What differs in the spec itself."""
    reason: str = ""
    """Why, where the fields do not say it."""

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"

    @property
    def is_rebuilt(self) -> bool:
        """True where a run would build it."""
        return self.state in _REBUILT


def plan(
    desired: Mapping[str, SpecSnapshot], base: Mapping[str, SpecSnapshot]
) -> tuple[PlanEntry, ...]:
    """One entry for each asset of either side, as if every asset of `base` were built; keys are
    `project/name`.

    Sorted by project; within one, each asset after its inputs, then what is removed.
    """
    states = staleness(desired, {key: _as_built(spec, base) for key, spec in base.items()})
    entries = [_entry(desired[key], base.get(key), state) for key, state in states.items()]
    removed = (base[key] for key in sorted(base.keys() - desired.keys()))
    entries += [PlanEntry(spec.project, spec.name, spec.kind, "removed") for spec in removed]
    return tuple(sorted(entries, key=lambda entry: entry.project))


def with_built_state(
    entries: Iterable[PlanEntry], built: Mapping[str, Staleness]
) -> tuple[PlanEntry, ...]:
    """The entries with what is built here: one that the change leaves alone is rebuilt all the
    same where it was never built, or is out of date."""
    return tuple(
        built_entry(entry, built[entry.key])
        if entry.state in ("reused", "cosmetic") and entry.key in built
        else entry
        for entry in entries
    )


def with_blocked(
    entries: Iterable[PlanEntry], desired: Mapping[str, SpecSnapshot], failed: Collection[str]
) -> tuple[PlanEntry, ...]:
    """The entries, of which those after a failed input are blocked; each comes after its inputs.

    `failed` has the assets, by `project/name`, whose newest record failed a blocking check; one
    that is rebuilt gets another chance.
    """
    marked: dict[str, PlanEntry] = {}
    for entry in entries:
        names = desired[entry.key].inputs if entry.is_rebuilt else ()
        culprits = (_culprit(entry.project, name, marked, failed) for name in names)
        cause = next((culprit for culprit in culprits if culprit), "")
        marked[entry.key] = replace(entry, state="blocked", reason=cause) if cause else entry
    return tuple(marked.values())


def _culprit(
    project: str, name: str, marked: Mapping[str, PlanEntry], failed: Collection[str]
) -> str:
    """Why nothing can be built from this input; empty where it can."""
    key = f"{project}/{name}"
    entry = marked.get(key)
    if entry is not None and entry.state == "blocked":
        return entry.reason
    if key in failed and not (entry is not None and entry.is_rebuilt):
        return f"'{name}' did not pass its checks"
    return ""


def built_entry(entry: PlanEntry, state: Staleness) -> PlanEntry:
    """An entry with the state that its asset has here; unchanged where that is up to date."""
    match state:
        case Fresh():
            return entry
        case NeverBuilt():
            return replace(entry, state="never_built")
        case ArtefactMissing():
            return replace(entry, state="missing_artefact", reason=reason(state))
        case SpecChanged():
            cause = "" if state.fields else reason(state)
            return replace(entry, state="changed", fields=state.fields, reason=cause)
        case InputChanged():
            return replace(entry, state="stale", reason=reason(state))


def _as_built(spec: SpecSnapshot, base: Mapping[str, SpecSnapshot]) -> RecordedAsset:
    """A spec as if it had been built from these very inputs; digests stand for artefacts."""
    inputs = {name: base.get(f"{spec.project}/{name}") for name in spec.inputs}
    digests = {name: parent.digest for name, parent in inputs.items() if parent is not None}
    return RecordedAsset(spec.digest, spec.digest, digests, spec.fields)


def _entry(spec: SpecSnapshot, before: SpecSnapshot | None, state: Staleness) -> PlanEntry:
    entry = PlanEntry(spec.project, spec.name, spec.kind, "reused", _differences(before, spec))
    match state:
        case NeverBuilt():
            return replace(entry, state="new")
        case SpecChanged():
            return replace(entry, state="changed")
        case InputChanged():
            return replace(entry, state="stale", reason=input_reason(state, "is new"))
        case _:
            return _unchanged(entry, before, spec)


def _unchanged(entry: PlanEntry, before: SpecSnapshot | None, spec: SpecSnapshot) -> PlanEntry:
    fields = before.fields if before else {}
    if not fields or not spec.fields or fields == spec.fields:
        return entry
    cause = "" if entry.fields else "only comments, order or formatting differ"
    return replace(entry, state="cosmetic", reason=cause)


def _differences(before: SpecSnapshot | None, spec: SpecSnapshot) -> tuple[FieldChange, ...]:
    changes = field_changes(before.fields, spec.fields) if before else ()
    return tuple(change for change in changes if change.path != TEXT)
