"""What a project's specs ask for, as snapshots that a plan compares."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.errors import Problem, SpecError
from tidemill.pipeline.asset_state import snapshot
from tidemill.spec.load import Project, Workspace


@dataclass
class SpecSnapshots:
    """Snapshots by `project/name`, and what cannot be read."""

    specs: dict[str, SpecSnapshot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def spec_snapshots(project: Project) -> SpecSnapshots:
    """Every spec of a project; a file it names that cannot be read is a problem."""
    snapshots = SpecSnapshots()
    for name in project.specs:
        try:
            spec = snapshot(project, name)
        except SpecError as error:
            snapshots.problems += error.problems
            spec = snapshot(project, name, needs_digest=False)
        snapshots.specs[spec.key] = spec
    return snapshots


def desired_state(workspace: Workspace) -> dict[str, SpecSnapshot]:
    """Every spec of a workspace by `project/name`; raises SpecError for files they name that
    cannot be read."""
    projects = [spec_snapshots(project) for project in workspace.projects.values()]
    problems = [problem for project in projects for problem in project.problems]
    if problems:
        raise SpecError(problems)
    return {key: spec for project in projects for key, spec in project.specs.items()}
