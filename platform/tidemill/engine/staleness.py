"""Whether an asset is up to date. Every command, sensor and trigger that asks this asks here.

    Fresh            the newest record was built from this spec and from these inputs
    NeverBuilt       no record here
    SpecChanged      the newest record was built from another spec
    InputChanged     an input has changed since, or will change because it is not up to date itself
    ArtefactMissing  up to date, but the store does not have the files any more

The rules apply in this order: an asset whose spec and input both changed is SpecChanged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tidemill.engine.spec_snapshot import (
    TEXT,
    FieldChange,
    SpecSnapshot,
    build_order,
    field_changes,
)

BUILDABLE_KINDS = ("Model", "Dataset", "Prompt", "FineTune", "Compression", "Evaluation")
"""Kinds that become artefacts."""
ASSET_KINDS = (*BUILDABLE_KINDS, "Rollout")
"""Kinds that have records here and can be stale; a Rollout's are its releases."""


@dataclass(frozen=True)
class RecordedAsset:
    """The newest record of an asset: what it was built from."""

    spec_digest: str
    artefact: str
    """Digest of the artefact; of the release for a Rollout."""
    inputs: Mapping[str, str]
    """Identities of the artefacts it was built from, by spec name."""
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    """Fields of the spec it was built from; empty where they are not known."""
    changed_input: str = ""
    """An input outside of the project that has changed since; empty where there is none."""
    rows_of: str = ""
    """The first artefact with the rows of this dataset; empty where it is this one."""

    @property
    def identity(self) -> str:
        """What stands for it in the inputs of others: a dataset is its rows."""
        return self.rows_of or self.artefact


@dataclass(frozen=True)
class Fresh:
    """Up to date: nothing to build."""


@dataclass(frozen=True)
class NeverBuilt:
    """No record of it here."""


@dataclass(frozen=True)
class SpecChanged:
    """Built from another spec."""

    fields: tuple[FieldChange, ...] = ()
    """The fields that differ; empty where the former spec is not known."""


InputChange = Literal["spec changed", "never built", "rebuilt", "removed", "outside"]


@dataclass(frozen=True)
class InputChanged:
    """An input has changed since it was built, or is about to."""

    input: str
    """The nearest input that changed; of two that are equally near the first by name."""
    through: str
    """The direct input that leads to it; the same name where it is a direct input itself."""
    change: InputChange
    """`outside`: `input` is no spec of the project but, for example, a live release."""
    distance: int = 1
    """How many steps up the graph the input is."""


@dataclass(frozen=True)
class ArtefactMissing:
    """Built and up to date, but its files are not in the store."""

    artefact: str


Staleness = Fresh | NeverBuilt | SpecChanged | InputChanged | ArtefactMissing


def staleness(
    desired: Mapping[str, SpecSnapshot],
    recorded: Mapping[str, RecordedAsset],
    missing: Collection[str] = (),
) -> dict[str, Staleness]:
    """The state of each desired asset; all keys are `project/name`.

    `missing` has the digests of artefacts that are recorded but not in the store. An input whose
    files are missing makes nothing else stale: building it again gives the same digest.
    """
    states: dict[str, Staleness] = {}
    for asset in build_order(desired):
        states[asset.key] = _state(asset, desired, recorded, states, missing)
    return states


def is_outdated(state: Staleness) -> bool:
    """True for an asset that was built here, but not from the present spec and inputs."""
    return isinstance(state, SpecChanged | InputChanged)


def is_stale(state: Staleness) -> bool:
    """True where a run would build it."""
    return not isinstance(state, Fresh)


def reason(state: Staleness) -> str:
    """Why an asset is not up to date, as the end of a sentence about it; empty where it is."""
    match state:
        case NeverBuilt():
            return "it was never built here"
        case SpecChanged():
            return "its spec changed since it was built"
        case InputChanged():
            return input_reason(state)
        case ArtefactMissing():
            return f"its files are not in the store ({state.artefact[:19]})"
        case Fresh():
            return ""


def input_reason(state: InputChanged, never_built: str = "was never built here") -> str:
    """Which input changed and how, for example `'tune' is changed (through 'reply-int8')`;
    `never_built` is what to say of an input without a record."""
    through = f" (through '{state.through}')" if state.through != state.input else ""
    name = state.input if state.change == "outside" else f"'{state.input}'"
    return f"{name} {_CHANGES.get(state.change, never_built)}{through}"


_CHANGES: Mapping[InputChange, str] = {
    "spec changed": "is changed",
    "rebuilt": "was rebuilt after it",
    "removed": "is gone",
    "outside": "is another one now",
}


def _state(
    asset: SpecSnapshot,
    desired: Mapping[str, SpecSnapshot],
    recorded: Mapping[str, RecordedAsset],
    states: Mapping[str, Staleness],
    missing: Collection[str],
) -> Staleness:
    """The state of one asset; its inputs are in `states` already."""
    record = recorded.get(asset.key)
    if record is None:
        return NeverBuilt()
    if record.spec_digest != asset.digest:
        changes = field_changes(record.fields, asset.fields)
        return SpecChanged(tuple(change for change in changes if change.path != TEXT))
    changed = list(_changed_inputs(asset, record, desired, recorded, states))
    if changed:
        return min(changed, key=lambda one: (one.distance, one.input, one.through))
    return ArtefactMissing(record.artefact) if record.artefact in missing else Fresh()


def _changed_inputs(
    asset: SpecSnapshot,
    record: RecordedAsset,
    desired: Mapping[str, SpecSnapshot],
    recorded: Mapping[str, RecordedAsset],
    states: Mapping[str, Staleness],
) -> Iterator[InputChanged]:
    for name in asset.inputs:
        key = f"{asset.project}/{name}"
        match states.get(key):
            case None if key not in desired:
                yield InputChanged(name, name, "removed")
            case NeverBuilt():
                yield InputChanged(name, name, "never built")
            case SpecChanged():
                yield InputChanged(name, name, "spec changed")
            case InputChanged() as change:
                yield InputChanged(change.input, name, change.change, change.distance + 1)
            case Fresh() | ArtefactMissing():
                if recorded[key].identity != record.inputs.get(name):
                    yield InputChanged(name, name, "rebuilt")
    if record.changed_input:
        yield InputChanged(record.changed_input, record.changed_input, "outside")
