"""A project's specs as one side of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tidemill.engine.plan import FILES, TECHNIQUES, TEXT, Known
from tidemill.errors import Problem, SpecError
from tidemill.pipeline.builder import MAKERS
from tidemill.spec.digest import digest_inputs
from tidemill.spec.graph import references
from tidemill.spec.load import LoadedSpec, Project

RUNS = (*MAKERS, "Rollout")
"""Kinds that are done anew when something they need is; streams and triggers only steer."""


@dataclass
class Side:
    """One side of a plan: what is known by `project/name`, and what cannot be read."""

    known: dict[str, Known] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def known(project: Project) -> Side:
    """Every spec of a project; a file it names that cannot be read is a problem of the side."""
    side = Side()
    for name, loaded in project.specs.items():
        try:
            one = _known(project, name, loaded)
        except SpecError as error:
            side.problems += error.problems
            needed = needs(project, name, references(loaded.spec))
            one = Known(project.name, name, loaded.spec.kind, "", needed)
        side.known[one.key] = one
    return side


def needs(project: Project, name: str, references: Iterable[str]) -> tuple[str, ...]:
    """What makes an asset stale: the makers among the specs it names (as the line sees it)."""
    if project.specs[name].spec.kind not in RUNS:
        return ()
    named = (project.specs[other].spec for other in references if other in project.specs)
    return tuple(spec.name for spec in named if spec.kind in MAKERS)


def _known(project: Project, name: str, loaded: LoadedSpec) -> Known:
    said = digest_inputs(loaded, project)
    beside = {FILES: said.files, TECHNIQUES: said.techniques, TEXT: loaded.sha256}
    needed = needs(project, name, said.references)
    values = {**said.values, **beside}
    return Known(project.name, name, loaded.spec.kind, said.digest, needed, values)
