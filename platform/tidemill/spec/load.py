"""Specs from files: every project of a folder, or every problem of every file at once."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tidemill.errors import Problem, SpecError, TidemillError, UnknownName
from tidemill.spec.base import Spec
from tidemill.spec.document_validation import parse_spec
from tidemill.spec.positions import MAX_BYTES, Path_, YamlDocument, parse

Kind = TypeVar("Kind", bound=Spec)
ENDING = ".yaml"
UNREADABLE = ""
"""Stands for the name of a broken file that does not say one."""
_HEAD = re.compile(rb"^(name|kind):[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


@dataclass(frozen=True)
class LoadedSpec:
    """A spec and where it is written."""

    spec: Spec
    path: Path
    """The spec's file."""
    lines: Mapping[Path_, int] = field(default_factory=dict, repr=False)
    """The line of each key and list item, by path."""
    sha256: str = ""
    """Hex SHA-256 of the file's bytes."""

    def line(self, *path: str | int) -> int:
        """The line of a path, or of the nearest thing around it that is written down."""
        return YamlDocument(None, self.lines).line(*path)


@dataclass(frozen=True)
class Project:
    """A folder of specs that name each other, with the files they name."""

    name: str
    folder: Path
    specs: Mapping[str, LoadedSpec]
    """By the spec's name, in the order of the file names."""

    def spec(self, name: str, kind: type[Kind]) -> Kind:
        """The spec of that name; raises UnknownName where there is none of this kind."""
        loaded = self.specs.get(name)
        if loaded is None or not isinstance(loaded.spec, kind):
            names = sorted(n for n, other in self.specs.items() if isinstance(other.spec, kind))
            raise UnknownName(f"{kind.__name__} of '{self.name}'", name, names)
        return loaded.spec


@dataclass(frozen=True)
class Workspace:
    """Every project below one folder."""

    root: Path
    projects: Mapping[str, Project]

    @property
    def count(self) -> int:
        """Number of specs."""
        return sum(len(project.specs) for project in self.projects.values())

    def require_specs(self) -> Workspace:
        """Itself; raises TidemillError where there are no specs at all: then it is no name that is
        wrong."""
        if not self.projects:
            raise TidemillError(
                f"{display_path(self.root)} holds no specs; begin with `tidemill init --data "
                "FILE.csv`, "
                "or name another folder with --specs"
            )
        return self


@dataclass(frozen=True)
class SpecReading:
    """Specs that could be read, and problems of those that could not."""

    workspace: Workspace
    problems: tuple[Problem, ...]
    unreadable: Mapping[str, Mapping[str, str]]
    """Project → name → kind of specs that are written but have problems, so that a reference to
    one is not called unknown as well."""


def load(root: Path) -> Workspace:
    """The specs of a folder of projects (or of one project); raises `SpecError` with all problems
    of all files, within a file and across them."""
    from tidemill.spec.check import check

    reading = read(root)
    problems = [*reading.problems, *check(reading)]
    if problems:
        raise SpecError(problems)
    return reading.workspace


def read(root: Path, only: Collection[str] | None = None) -> SpecReading:
    """Read every file on its own, without looking across files; of some folders only where they
    are named."""
    if not root.is_dir():
        way_out = "name another one, or begin with `tidemill init --data FILE.csv`"
        raise SpecError([Problem(display_path(root), 1, "there is no such folder", way_out)])
    problems: list[Problem] = []
    projects: dict[str, Project] = {}
    broken: dict[str, dict[str, str]] = {}
    for folder, files in _folders(root, problems, only):
        name = Path(os.path.realpath(folder)).name
        broken[name] = {}
        specs = _project(root, files, problems, broken[name])
        projects[name] = Project(name, folder, specs)
    return SpecReading(Workspace(root, projects), tuple(problems), broken)


def display_path(path: Path) -> Path:
    """A path as messages show it: relative to the working directory when below it."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    current = os.getcwd()  # noqa: PTH109
    if absolute.startswith(current + os.sep):
        return Path(absolute[len(current) + 1 :])
    return Path(absolute)


def _project(
    root: Path, files: list[Path], problems: list[Problem], broken: dict[str, str]
) -> dict[str, LoadedSpec]:
    specs: dict[str, LoadedSpec] = {}
    claimed: dict[str, Path] = {}
    folder = display_path(files[0]).parent if files else root
    for path in files:
        display, content = folder / path.name, b""
        document: YamlDocument | None = None
        try:
            content = _content(root, path, display)
            document = parse(content, display)
            problems.extend(_claim(document, path, claimed))
            hashed = hashlib.sha256(content).hexdigest()
            loaded = LoadedSpec(parse_spec(document, display), path, document.lines, hashed)
        except SpecError as error:
            problems.extend(error.problems)
            broken.update(_identity(document.value) if document else _glimpse(content))
        else:
            specs.setdefault(loaded.spec.name, loaded)
    return specs


def _identity(value: Any) -> dict[str, str]:
    """Name → kind, as far as a document says them."""
    name, kind = (value.get("name"), value.get("kind")) if isinstance(value, dict) else (None, None)
    return {name: str(kind)} if isinstance(name, str) else {UNREADABLE: str(kind)}


def _glimpse(content: bytes) -> dict[str, str]:
    """Name → kind of a file that is not even YAML."""
    pairs = dict(_HEAD.findall(content))
    return _identity(
        {key.decode(): value.decode("utf-8", "replace") for key, value in pairs.items()}
    )


def _claim(document: YamlDocument, path: Path, claimed: dict[str, Path]) -> Iterator[Problem]:
    for name in _identity(document.value).keys() - {UNREADABLE}:
        first = claimed.setdefault(name, path)
        if first != path:
            cause = f"'name: {name}' is taken by {first.name}"
            way_out = "a name is unique in its project; choose another"
            yield Problem(display_path(path), document.line("name"), cause, way_out)


def _content(root: Path, path: Path, display: Path) -> bytes:
    try:
        if path.is_symlink() and not is_inside(path, root):
            way_out = "copy the file in: a commit holds only what is below the folder"
            raise SpecError(
                [Problem(display, 1, f"the link leads out of {display_path(root)}", way_out)]
            )
        content = _read_bounded(path)
    except OSError as error:
        cause = f"the file cannot be read: {error.strerror}"
        raise SpecError([Problem(display, 1, cause, "check the link or its permissions")]) from None
    if content is None:
        raise SpecError(
            [Problem(display, 1, "this is no ordinary file", "put a file in its place")]
        )
    return content


def _read_bounded(path: Path) -> bytes | None:
    """The first `MAX_BYTES` of a file and one more, at which `parse` stops; None for a pipe, a
    device or a socket, which are opened without waiting for whoever writes to them."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        return file.read(MAX_BYTES + 1)


def is_inside(path: Path, folder: Path) -> bool:
    """True where a path stays below a folder, wherever links lead; links in a circle do too.

    `Path.resolve` raises RuntimeError on a circle (until Python 3.13); `realpath` does not.
    """
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _folders(
    root: Path, problems: list[Problem], only: Collection[str] | None
) -> Iterator[tuple[Path, list[Path]]]:
    """Projects and their files: the folders below `root`, or `root` itself if it holds specs."""
    own = _files(root, problems)
    below = []
    folders = sorted(root / entry.name for entry in _entries(root, []) if _is_project(entry))
    for folder in folders:
        if only is not None and folder.name not in only:
            continue
        if folder.is_symlink() and not is_inside(folder, root):
            cause = f"the link leads out of {display_path(root)}"
            problems.append(Problem(display_path(folder), 1, cause, "copy the folder in"))
        elif files := _files(folder, problems):
            below.append((folder, files))
    problems.extend(_alike([folder for folder, _ in below]))
    if not own:
        yield from below
    elif any(_says_api_version(path) for _, files in below for path in files):
        for path in own:
            cause = "the file stands beside projects, not in one"
            problems.append(
                Problem(display_path(path), 1, cause, "move it into a project's folder")
            )
        yield from below
    else:
        yield root, own


def _is_project(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and _is_dir(entry)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _entries(folder: Path, problems: list[Problem]) -> list[os.DirEntry[str]]:
    """Entries of a folder; a folder that cannot be read is added to the problems."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        cause = f"the folder cannot be read: {error.strerror}"
        problems.append(Problem(display_path(folder), 1, cause, "check its permissions"))
        return []


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    paths = []
    for entry in _entries(folder, problems):
        if entry.name.startswith(".") or not entry.name.endswith((ENDING, ".yml")):
            continue
        path = folder / entry.name
        if _is_dir(entry):
            cause = f"a folder whose name ends in {path.suffix}"
            problems.append(Problem(display_path(path), 1, cause, f"rename it to '{path.stem}'"))
            continue
        paths.append(path)
        if not entry.name.endswith(ENDING):
            cause = "specs end in .yaml"
            problems.append(
                Problem(display_path(path), 1, cause, f"rename it to {path.stem}{ENDING}")
            )
    problems.extend(_alike(paths))
    return sorted(paths)


def _alike(paths: list[Path]) -> Iterator[Problem]:
    """Names that are one name to a file system without case, and names that are no text."""
    spellings: dict[str, Path] = {}
    for path in sorted(paths):
        first = spellings.setdefault(unicodedata.normalize("NFC", path.name).casefold(), path)
        if first != path:
            cause = f"'{path.name}' and '{first.name}' are one name on macOS and Windows"
            yield Problem(display_path(path), 1, cause, "rename one of them")
        try:
            path.name.encode()
        except UnicodeEncodeError:
            yield Problem(display_path(path), 1, "the name is not UTF-8", "rename it")


def _says_api_version(path: Path) -> bool:
    try:
        return b"apiVersion: tidemill/" in (_read_bounded(path) or b"")
    except OSError:
        return False
