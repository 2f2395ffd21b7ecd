"""Checks across files: names, referenced files, circular references, and rules between kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from tidemill.errors import Problem, suggest
from tidemill.spec.base import NamesFile, RefersTo
from tidemill.spec.checks import (
    compression,
    dataset,
    evaluation,
    finetune,
    prompt,
    rollout,
    trigger,
)
from tidemill.spec.checks.columns import Columns
from tidemill.spec.checks.files import check_file
from tidemill.spec.checks.services import check_services, check_shared
from tidemill.spec.graph import cycle, references
from tidemill.spec.kinds import KINDS
from tidemill.spec.load import UNREADABLE, LoadedSpec, Project, SpecReading, display_path
from tidemill.spec.options import FieldProblem
from tidemill.spec.references import Reference, find_references

RULES: Mapping[str, Callable[[Any, Project], Iterator[FieldProblem | Problem]]] = {
    "Dataset": dataset.check,
    "Prompt": prompt.check,
    "FineTune": finetune.check,
    "Compression": compression.check,
    "Evaluation": evaluation.check,
    "Trigger": trigger.check,
    "Rollout": rollout.check,
}


def check(reading: SpecReading) -> Iterator[Problem]:
    """Yields every problem that involves more than one file, or a file that a spec names."""
    for name, project in reading.workspace.projects.items():
        broken = reading.unreadable.get(name, {})
        columns = Columns(project)
        kinds = {**broken, **{name: loaded.spec.kind for name, loaded in project.specs.items()}}
        for loaded in project.specs.values():
            for problem in chain(_of_one(loaded, project, kinds), columns.check(loaded.spec)):
                yield problem if isinstance(problem, Problem) else _to_problem(problem, loaded)
        yield from _circles(project)
        unknown = set(broken.values()) - set(KINDS)
        incomplete = set(KINDS) if unknown else set(broken.values())
        for loaded, problem in check_services(project, incomplete):
            yield _to_problem(problem, loaded)
    for loaded, problem in check_shared(reading.workspace):
        yield _to_problem(problem, loaded)


def _of_one(
    loaded: LoadedSpec, project: Project, kinds: Mapping[str, str]
) -> Iterator[FieldProblem | Problem]:
    for site in find_references(loaded.spec):
        if isinstance(site.marker, RefersTo):
            yield from _reference(site, kinds, loaded.spec.name)
        elif isinstance(site.marker, NamesFile):
            yield from check_file(site, project.folder)
    rules = RULES.get(loaded.spec.kind)
    if rules:
        yield from rules(loaded.spec, project)


def _to_problem(problem: FieldProblem, loaded: LoadedSpec) -> Problem:
    return Problem(
        display_path(loaded.path), loaded.line(*problem.path), problem.cause, problem.way_out
    )


def _reference(site: Reference, kinds: Mapping[str, str], own: str) -> Iterator[FieldProblem]:
    assert isinstance(site.marker, RefersTo)
    kinds_allowed = site.marker.kinds
    if kinds.get(site.name) in kinds_allowed:
        return
    names = [name for name, kind in kinds.items() if kind in kinds_allowed and name != own]
    field_text = f"'{site.key}: {site.name}'"
    kinds_text = _either(kinds_allowed)
    if site.name not in kinds:
        if UNREADABLE not in kinds:
            way_out = suggest(site.name, names) if names else f"add {kinds_text}"
            yield FieldProblem(site.path, f"{field_text} names no spec", way_out)
    elif kinds[site.name] in KINDS and kinds[site.name] not in kinds_allowed:
        way_out = f"it takes {kinds_text}; {suggest(site.name, names)}"
        yield FieldProblem(site.path, f"{field_text} names a {kinds[site.name]}", way_out)


def _either(kinds: tuple[str, ...]) -> str:
    a = "an" if kinds[0][0] in "AEIOU" else "a"
    listed = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} or {kinds[-1]}"
    return f"{a} {listed}"


def _circles(project: Project) -> Iterator[Problem]:
    """Each circle once, at the first of its files; found by taking one edge out after the other."""
    graph = {name: references(loaded.spec) for name, loaded in project.specs.items()}
    while circle := cycle(graph):
        start = min(range(len(circle) - 1), key=lambda at: circle[at])
        path = (*circle[start:-1], *circle[: start + 1])
        loaded = project.specs[path[0]]
        at = next(site.path for site in find_references(loaded.spec) if site.name == path[1])
        cause = f"circular reference: {' → '.join(path)}"
        yield _to_problem(FieldProblem(at, cause, "remove one of these references"), loaded)
        graph[path[0]] = tuple(name for name in graph[path[0]] if name != path[1])
