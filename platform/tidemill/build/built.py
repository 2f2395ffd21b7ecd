"""Both sides of a plan: what the specs want, and what the ledger says is built."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.build.line import MAKERS
from tidemill.engine.plan import Known
from tidemill.ports import Making, Records
from tidemill.spec.digest import digest, filled
from tidemill.spec.graph import references
from tidemill.spec.load import Workspace


def wanted(workspace: Workspace) -> dict[str, Known]:
    """Every spec of a workspace by `project/name`."""
    found = {}
    for project in workspace.projects.values():
        for name, loaded in project.specs.items():
            found[f"{project.name}/{name}"] = Known(
                project=project.name,
                name=name,
                kind=loaded.spec.kind,
                digest=digest(loaded, project),
                needs=references(loaded.spec),
                values=filled(loaded.spec),
            )
    return found


def built(
    new: Mapping[str, Known], before: Mapping[str, Known], records: Records
) -> tuple[dict[str, Known], dict[str, str]]:
    """What is there of `new`, and a reason for each asset whose inputs were made anew since.

    An asset that is made counts by its newest record; one that only steers by `before`, the specs
    of the commit that was applied last.
    """
    makings = {
        key: records.latest(one.project, one.name) for key, one in new.items() if one.kind in MAKERS
    }
    found = {key: one for key, one in before.items() if key not in makings}
    for key, making in makings.items():
        if making is not None:
            found[key] = _as_made(new[key], before.get(key), making)
    unmet = {
        key: reason
        for key, making in makings.items()
        if making is not None and (reason := _unmet(new[key], making, makings))
    }
    return found, unmet


def _as_made(new: Known, before: Known | None, making: Making) -> Known:
    """The spec that an asset was made by; its values are known where it is one of the two."""
    for one in (before, new):
        if one is not None and one.digest == making.spec_digest:
            return one
    return Known(new.project, new.name, making.kind, making.spec_digest, new.needs)


def _unmet(new: Known, making: Making, makings: Mapping[str, Making | None]) -> str:
    for name in new.needs:
        parent = makings.get(f"{new.project}/{name}")
        if parent is not None and parent.artefact != making.inputs.get(name):
            return f"'{name}' was made anew after it"
    return ""
