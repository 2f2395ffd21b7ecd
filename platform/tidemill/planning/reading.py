"""Reads many projects at once, on every core where that pays."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.errors import Problem
from tidemill.planning.cached_project import CachedProject

if TYPE_CHECKING:
    from tidemill.spec.load import Project

PARALLEL_THRESHOLD = 1200
"""Files from which a second process pays for its start."""
CHUNK = 600
"""Files that one process reads before it frees their memory."""
_Task = tuple[Path, frozenset[str] | None]


@dataclass
class ProjectBatch:
    """Projects that were read in one go."""

    projects: dict[str, CachedProject] = field(default_factory=dict)
    """By the project's name."""
    problems: list[Problem] = field(default_factory=list)


def read_projects(root: Path, sizes: Mapping[str, int]) -> ProjectBatch:
    """Read these folders below `root` (folder → number of its files; '' for all of them) and what
    is wrong with them, within each file and across those of a project.

    The caller compares services and topics of different projects (`has_conflicting_claims`).
    """
    tasks: list[_Task] = [(root, None)] if "" in sizes else []
    tasks = tasks or [(root, frozenset(names)) for names in _chunks(sizes)]
    total = ProjectBatch()
    for batch in _run_tasks(tasks, sum(sizes.values())):
        total.projects |= batch.projects
        total.problems += batch.problems
    total.problems = sorted(set(total.problems))
    return total


def has_conflicting_claims(projects: Iterable[CachedProject]) -> bool:
    """True where two specs claim one service or one topic."""
    claims: set[tuple[str, str | None]] = set()
    for project in projects:
        for spec in project.summaries():
            for claim in (("service", spec.service), ("topic", spec.topic)):
                if claim[1] and claim in claims:
                    return True
                claims.add(claim)
    return False


def snapshots(projects: Iterable[CachedProject]) -> dict[str, SpecSnapshot]:
    """Every spec of these projects with all of its fields, by `project/name`."""
    return {spec.key: spec for project in projects for spec in project.specs()}


def summaries(projects: Iterable[CachedProject]) -> dict[str, SpecSnapshot]:
    """The same without fields, which is quicker."""
    specs = (spec.snapshot for project in projects for spec in project.summaries())
    return {spec.key: spec for spec in specs}


def _chunks(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    names: list[str] = []
    files = 0
    for name in sorted(sizes):
        if names and files + sizes[name] > CHUNK:
            yield names
            names, files = [], 0
        names.append(name)
        files += sizes[name]
    if names:
        yield names


def _run_tasks(tasks: Sequence[_Task], files: int) -> Iterator[ProjectBatch]:
    """In this process, or in forked ones where there are many files and no other thread (a fork
    would copy the locks that it holds)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if files < PARALLEL_THRESHOLD or len(tasks) < 2 or cores < 2 or threading.active_count() > 1:
        yield from (_read(task) for task in tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    import tidemill.planning.desired_state
    import tidemill.spec.check  # noqa: F401 - imported once, before the fork

    workers = min(cores, len(tasks))
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(_read, tasks)


def _read(task: _Task) -> ProjectBatch:
    from tidemill.spec.check import check
    from tidemill.spec.load import read

    root, names = task
    with _no_garbage_collection():
        reading = read(root, only=names)
        batch = ProjectBatch(problems=[*reading.problems, *check(reading)])
        broken = reading.unreadable
        for name, project in reading.workspace.projects.items():
            batch.projects[name] = _to_cached(project, broken.get(name, {}), batch.problems)
    return batch


def _to_cached(
    project: Project, broken: Mapping[str, str], problems: list[Problem]
) -> CachedProject:
    from tidemill.planning.desired_state import spec_snapshots

    readable = spec_snapshots(project)
    problems += readable.problems
    unread = (SpecSnapshot(project.name, name, kind, "") for name, kind in broken.items() if name)
    return CachedProject.of([*readable.specs.values(), *unread])


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Millions of small values that all stay: looking for garbage among them finds none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
