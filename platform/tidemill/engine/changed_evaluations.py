"""Which evaluations a change touches, by their own specs or through what they are built from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tidemill.engine.plan import PlanEntry, PlanState
from tidemill.engine.spec_snapshot import SpecSnapshot

_TOUCHED: tuple[PlanState, ...] = ("changed", "new", "stale", "removed")
_MOST_FIELDS = 5


@dataclass(frozen=True)
class ChangedEvaluation:
    """An evaluation that differs between two revisions."""

    project: str
    name: str
    state: PlanState
    causes: tuple[str, ...]
    """The specs that differ, each with its fields: `'ask': ask.j2, examples.k`."""

    @property
    def key(self) -> str:
        """`project/name`."""
        return f"{self.project}/{self.name}"


def changed_evaluations(
    entries: Sequence[PlanEntry],
    desired: Mapping[str, SpecSnapshot],
    selection: AbstractSet[str] | None = None,
) -> tuple[ChangedEvaluation, ...]:
    """The evaluations that a plan touches, in its order.

    `selection` has `project/name` of specs: only evaluations that are one of them, or are built
    from one, are given; all for None.
    """
    by_key = {entry.key: entry for entry in entries}
    changed = []
    for entry in entries:
        if entry.kind != "Evaluation" or entry.state not in _TOUCHED:
            continue
        sources = tuple(dict.fromkeys(_sources(entry.key, desired)))
        if selection is None or not selection.isdisjoint(sources):
            differing = (by_key[key] for key in sources if key in by_key)
            causes = tuple(_cause(item) for item in differing if item.state in ("changed", "new"))
            fallback = (entry.reason,) if entry.reason else ()
            changed.append(
                ChangedEvaluation(entry.project, entry.name, entry.state, causes or fallback)
            )
    return tuple(changed)


def _sources(key: str, specs: Mapping[str, SpecSnapshot]) -> Iterator[str]:
    """A spec and everything that it is built from, itself first."""
    yield key
    if spec := specs.get(key):
        for name in spec.inputs:
            yield from _sources(f"{spec.project}/{name}", specs)


def _cause(entry: PlanEntry) -> str:
    if entry.state == "new":
        return f"'{entry.name}' is new"
    paths = [change.path for change in entry.fields]
    rest = len(paths) - _MOST_FIELDS
    fields = ", ".join(paths[:_MOST_FIELDS]) + (f" and {rest} more" if rest > 0 else "")
    return f"'{entry.name}': {fields}" if fields else f"'{entry.name}' is changed"
