"""What is wrong across files: names, files, circles, and what each kind asks of its neighbours."""

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
from tidemill.spec.load import UNREADABLE, Loaded, Project, Reading, shown
from tidemill.spec.options import Found
from tidemill.spec.references import Site, sites

RULES: Mapping[str, Callable[[Any, Project], Iterator[Found | Problem]]] = {
    "Dataset": dataset.check,
    "Prompt": prompt.check,
    "FineTune": finetune.check,
    "Compression": compression.check,
    "Evaluation": evaluation.check,
    "Trigger": trigger.check,
    "Rollout": rollout.check,
}


def check(reading: Reading) -> Iterator[Problem]:
    """Every problem that reading the files one by one could not see."""
    for name, project in reading.workspace.projects.items():
        broken = reading.broken.get(name, {})
        columns = Columns(project)
        kinds = {**broken, **{name: one.spec.kind for name, one in project.specs.items()}}
        for loaded in project.specs.values():
            for found in chain(_of_one(loaded, project, kinds), columns.check(loaded.spec)):
                yield found if isinstance(found, Problem) else _placed(found, loaded)
        yield from _circles(project)
        unknown = set(broken.values()) - set(KINDS)
        incomplete = set(KINDS) if unknown else set(broken.values())
        for loaded, found in check_services(project, incomplete):
            yield _placed(found, loaded)
    for loaded, found in check_shared(reading.workspace):
        yield _placed(found, loaded)


def _of_one(
    loaded: Loaded, project: Project, kinds: Mapping[str, str]
) -> Iterator[Found | Problem]:
    for site in sites(loaded.spec):
        if isinstance(site.marker, RefersTo):
            yield from _reference(site, kinds, loaded.spec.name)
        elif isinstance(site.marker, NamesFile):
            yield from check_file(site, project.folder)
    rules = RULES.get(loaded.spec.kind)
    if rules:
        yield from rules(loaded.spec, project)


def _placed(found: Found, loaded: Loaded) -> Problem:
    return Problem(shown(loaded.path), loaded.line(*found.path), found.cause, found.way_out)


def _reference(site: Site, kinds: Mapping[str, str], own: str) -> Iterator[Found]:
    assert isinstance(site.marker, RefersTo)
    wanted = site.marker.kinds
    if kinds.get(site.name) in wanted:
        return
    known = [name for name, kind in kinds.items() if kind in wanted and name != own]
    here = f"'{site.key}: {site.name}'"
    what = _either(wanted)
    if site.name not in kinds:
        if UNREADABLE not in kinds:
            way_out = suggest(site.name, known) if known else f"add {what}"
            yield Found(site.path, f"{here} names no spec", way_out)
    elif kinds[site.name] in KINDS and kinds[site.name] not in wanted:
        way_out = f"it takes {what}; {suggest(site.name, known)}"
        yield Found(site.path, f"{here} names a {kinds[site.name]}", way_out)


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
        at = next(site.path for site in sites(loaded.spec) if site.name == path[1])
        cause = f"specs need each other in a circle: {' → '.join(path)}"
        yield _placed(Found(at, cause, "take one of these references out"), loaded)
        graph[path[0]] = tuple(name for name in graph[path[0]] if name != path[1])
