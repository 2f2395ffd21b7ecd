"""What the ledger says is built, as the side of a plan that a commit is compared with."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.engine.plan import Known
from tidemill.errors import SpecError
from tidemill.pipeline.builder import MAKERS
from tidemill.planning.desired_state import known
from tidemill.ports import Materialisation, MaterialisationStore
from tidemill.spec.load import Workspace


def wanted(workspace: Workspace) -> dict[str, Known]:
    """Every spec of a workspace by `project/name`; raises SpecError for files they name that
    cannot be read."""
    sides = [known(project) for project in workspace.projects.values()]
    problems = [problem for side in sides for problem in side.problems]
    if problems:
        raise SpecError(problems)
    return {key: one for side in sides for key, one in side.known.items()}


def built(
    new: Mapping[str, Known], before: Mapping[str, Known], records: MaterialisationStore
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


def _as_made(new: Known, before: Known | None, making: Materialisation) -> Known:
    """The spec that an asset was made by; its values are known where it is one of the two."""
    for one in (before, new):
        if one is not None and one.digest == making.spec_digest:
            return one
    return Known(new.project, new.name, making.kind, making.spec_digest, new.needs)


def _unmet(
    new: Known, making: Materialisation, makings: Mapping[str, Materialisation | None]
) -> str:
    for name in new.needs:
        parent = makings.get(f"{new.project}/{name}")
        if parent is not None and parent.artefact != making.inputs.get(name):
            return f"'{name}' was made anew after it"
    return ""
