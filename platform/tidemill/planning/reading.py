"""Reading many projects at once, on every core where it pays."""

from __future__ import annotations

import gc
import json
import os
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.engine.plan import FILES, Known
from tidemill.errors import Problem
from tidemill.planning.cache import Kept

if TYPE_CHECKING:
    from tidemill.spec.load import Project

MANY = 1200
"""Files from which a second process pays for its start."""
CHUNK = 600
"""Files that one process reads before it lets go of them; bounds the memory."""
_Task = tuple[Path, frozenset[str] | None]


@dataclass
class Batch:
    """What came of reading some projects."""

    kept: dict[str, Kept] = field(default_factory=dict)
    """By the project's name."""
    problems: list[Problem] = field(default_factory=list)


def read_projects(root: Path, sizes: Mapping[str, int]) -> Batch:
    """Read these folders below `root` (folder → number of its files; '' for all there is) and what
    is wrong with them, within each file and across those of a project.

    Services and topics of different projects are for the caller to compare (`claims`).
    """
    tasks: list[_Task] = [(root, None)] if "" in sizes else []
    tasks = tasks or [(root, frozenset(names)) for names in _chunks(sizes)]
    found = Batch()
    for batch in _spread(tasks, sum(sizes.values())):
        found.kept |= batch.kept
        found.problems += batch.problems
    found.problems = sorted(set(found.problems))
    return found


def claims(kept: Mapping[str, Kept]) -> bool:
    """True where two specs claim one service or one topic."""
    seen: set[tuple[str, str]] = set()
    for one in kept.values():
        for row in json.loads(one.brief):
            for what, name in (("service", row["service"]), ("topic", row["topic"])):
                if name and (what, name) in seen:
                    return True
                seen.add((what, name))
    return False


def known_of(kept: Kept) -> dict[str, Known]:
    """Everything known of a project's specs, by `project/name`."""
    found = (Known(**{**one, "needs": tuple(one["needs"])}) for one in kept.specs())
    return {known.key: known for known in found}


def _chunks(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    names: list[str] = []
    held = 0
    for name in sorted(sizes):
        if names and held + sizes[name] > CHUNK:
            yield names
            names, held = [], 0
        names.append(name)
        held += sizes[name]
    if names:
        yield names


def _spread(tasks: Sequence[_Task], files: int) -> Iterator[Batch]:
    """In this process, or in forked ones where there are many files and no other thread (a fork
    would copy the locks that it holds)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if files < MANY or len(tasks) < 2 or cores < 2 or threading.active_count() > 1:
        yield from (_read(task) for task in tasks)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    import tidemill.planning.desired_state
    import tidemill.spec.check  # noqa: F401 - imported once, before the fork

    workers = min(cores, len(tasks))
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(_read, tasks)


def _read(task: _Task) -> Batch:
    from tidemill.spec.check import check
    from tidemill.spec.load import read

    root, names = task
    with _no_collector():
        reading = read(root, only=names)
        found = Batch(problems=[*reading.problems, *check(reading)])
        broken = reading.unreadable
        for name, project in reading.workspace.projects.items():
            found.kept[name] = _kept(project, broken.get(name, {}), found.problems)
    return found


def _kept(project: Project, broken: Mapping[str, str], problems: list[Problem]) -> Kept:
    from tidemill.planning.desired_state import known

    side = known(project)
    problems += side.problems
    unread = (Known(project.name, name, kind, "") for name, kind in broken.items() if name)
    specs = [vars(one) for one in (*side.known.values(), *unread)]
    named = {file: hashed for one in specs for file, hashed in _files(one)}
    brief = json.dumps([_brief(one) for one in specs], ensure_ascii=False).encode()
    text = json.dumps(specs, ensure_ascii=False, separators=(",", ":")).encode()
    return Kept(brief, zlib.compress(text, 1), named)


def _files(one: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    files: Mapping[str, str] = one["values"].get(FILES, {})
    return files.items()


def _brief(one: Mapping[str, Any]) -> dict[str, Any]:
    values, kind = one["values"], one["kind"]
    return {
        "name": one["name"],
        "service": values.get("service") if kind == "Rollout" else None,
        "topic": values.get("topic") if kind == "Feedback" else None,
    }


@contextmanager
def _no_collector() -> Iterator[None]:
    """Millions of small values that all stay: looking for garbage among them finds none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
