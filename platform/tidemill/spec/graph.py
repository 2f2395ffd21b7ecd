"""The dependency graph of specs: references, build order, cycles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from tidemill.spec.base import SEARCHES, RefersTo, Spec
from tidemill.spec.references import Reference, find_references

if TYPE_CHECKING:
    from tidemill.spec.load import Project


def reference_sites(spec: Spec) -> Iterator[Reference]:
    """Every place of a spec that names another spec, in the order of its fields."""
    return (site for site in find_references(spec) if isinstance(site.marker, RefersTo))


def references(spec: Spec) -> tuple[str, ...]:
    """Names of the specs this one needs, each once, in the order of its fields."""
    needed = (site for site in reference_sites(spec) if site.path[0] not in SEARCHES)
    return tuple(dict.fromkeys(site.name for site in needed))


def parents(project: Project) -> Mapping[str, tuple[str, ...]]:
    """Name → names it needs, for a whole project."""
    return {name: references(loaded.spec) for name, loaded in project.specs.items()}


def build_order(project: Project) -> tuple[str, ...]:
    """All names, each after everything it needs; ties by name, so the order is always the same."""
    sorter = TopologicalSorter(parents(project))
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered.extend(ready)
        sorter.done(*ready)
    return tuple(ordered)


def upstream(project: Project, *names: str) -> tuple[str, ...]:
    """These names and everything they need, in the order of making."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(references(project.specs[name].spec))
    return tuple(name for name in build_order(project) if name in needed)


def downstream(project: Project, *names: str) -> tuple[str, ...]:
    """These names and everything that needs them, in the order of making."""
    above = parents(project)
    reached = set(names)
    for name in build_order(project):
        if reached.intersection(above[name]):
            reached.add(name)
    return tuple(name for name in build_order(project) if name in reached)


def cycle(graph: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """One circle of names, first and last the same; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return tuple(reversed(circle))
    return ()
