"""The projects that are mutated, and what is done with the result."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.spec.conftest import COMPLETE
from tidemill.errors import SpecError
from tidemill.spec.digest import spec_digest
from tidemill.spec.graph import build_order
from tidemill.spec.load import load

SPECS = Path(__file__).parents[2] / "specs"
CORPUS = Path(__file__).with_name("corpus")
Files = Mapping[str, bytes]
LOUD = 5_000
"""Characters of one message; more is no help to anybody."""


@cache
def projects() -> dict[str, dict[str, bytes]]:
    """Project → file → content: the examples, and the complete one of the spec tests."""
    found = {"complete": {name: text.encode() for name, text in COMPLETE.items()}}
    for folder in sorted(path for path in SPECS.iterdir() if path.is_dir()):
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        found[folder.name] = {
            path.relative_to(folder).as_posix(): path.read_bytes()[:20_000] for path in files
        }
    return found


def specs(project: str) -> list[str]:
    """The names of a project's spec files."""
    return [name for name in projects()[project] if name.endswith((".yaml", ".j2"))]


class Ground:
    """A folder in which one project after the other is laid out; only what differs is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changed: dict[str, set[str]] = {}
        for name, files in projects().items():
            for file, content in files.items():
                self._write(name, file, content)

    def _write(self, project: str, file: str, content: bytes) -> None:
        path = self.root / project / project / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def attempt(self, project: str, changes: Files) -> str:
        """Load the project with these files changed: `good`, or every message; anything but a
        SpecError gets through to the caller."""
        for file in self._changed.pop(project, set()):
            original = projects()[project].get(file)
            if original is None:
                (self.root / project / project / file).unlink()
            else:
                self._write(project, file, original)
        for file, content in changes.items():
            self._write(project, file, content)
        self._changed[project] = set(changes)
        return attempt(self.root / project)


def attempt(root: Path) -> str:
    """What the loader says, and what everything after it does with a project it took."""
    try:
        workspace = load(root)
        for project in workspace.projects.values():
            build_order(project)
            for loaded in project.specs.values():
                spec_digest(loaded, project)
    except SpecError as error:
        return _readable(error)
    return "good"


def _readable(error: SpecError) -> str:
    """The messages, each with a line, and short enough for somebody to read them."""
    told = str(error)
    assert told, "a SpecError without a problem"
    assert all(problem.line >= 1 for problem in error.problems)
    assert all(len(str(problem)) < LOUD for problem in error.problems)
    return told


@contextmanager
def ground() -> Iterator[Ground]:
    """A fresh ground; in memory where the machine has such a folder."""
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="tidemill-fuzz-", dir=place))
    try:
        yield Ground(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
