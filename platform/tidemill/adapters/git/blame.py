"""The lines of a spec at a commit, each with the commit and the author that wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tidemill.adapters.git.command import git, try_git
from tidemill.errors import SpecError
from tidemill.spec.positions import parse

_FOR_PEOPLE = ("apiVersion", "kind", "name", "owner", "description", "labels")


@dataclass(frozen=True)
class BlamedLine:
    """One line of a file at a commit, with the commit that wrote it."""

    path: str
    """Relative to the repository."""
    line: int
    commit: str
    author: str
    written_at: str
    subject: str
    field: str = ""
    """The spec's field on it: `train.epochs`, `steps[0].percent`."""
    value: Any = None

    def to_json(self) -> dict[str, object]:
        """The fields under the keys of `tidemill why --json` and of the cache of spec lines."""
        values = asdict(self)
        values["when"] = values.pop("written_at")
        return values


def has_commit(folder: Path, sha: str) -> bool:
    """True where the repository around `folder` has the commit."""
    return try_git(folder, "cat-file", "-e", f"{sha}^{{commit}}") is not None


def is_shallow(folder: Path) -> bool:
    """True where the history was cut off when it was cloned."""
    return (try_git(folder, "rev-parse", "--is-shallow-repository") or "").strip() == "true"


def spec_lines(specs: Path, project: str, sha: str) -> dict[str, list[BlamedLine]]:
    """The fields of each spec of a project at a commit, by the spec's name.

    `specs` is the folder of projects, or the project itself. Fields for people only (name, owner,
    description, labels) are left out. Raises ServiceError where Git cannot say.
    """
    listed = git(specs, "ls-tree", "--name-only", "-z", sha, f"{project}/").decode()
    if not listed:
        listed = git(specs, "ls-tree", "--name-only", "-z", sha, "./").decode()
    files = [path for path in listed.split("\0") if path.endswith(".yaml")]
    with ThreadPoolExecutor(4) as pool:
        return dict(entry for entry in pool.map(lambda p: _spec(specs, sha, p), files) if entry)


def blame(folder: Path, sha: str, path: str, line: int | None = None) -> list[BlamedLine]:
    """Every line of a file at a commit, or one of them; paths are relative to `folder`."""
    only = ["-L", f"{line},{line}"] if line else []
    output = git(folder, "blame", "--porcelain", *only, sha, "--", path).decode(errors="replace")
    return list(_porcelain(output))


def _spec(specs: Path, sha: str, path: str) -> tuple[str, list[BlamedLine]] | None:
    output = git(specs, "blame", "--porcelain", sha, "--", path)
    content = b"\n".join(line[1:] for line in output.split(b"\n") if line.startswith(b"\t"))
    try:
        document = parse(content, Path(path))
    except SpecError:
        return None
    if not isinstance(document.value, Mapping) or not isinstance(document.value.get("name"), str):
        return None
    lines = {line.line: line for line in _porcelain(output.decode(errors="replace"))}
    fields = [
        BlamedLine(**{**vars(lines[number]), "field": field, "value": value})
        for at, field, value in _leaves(document.value)
        if (number := document.line(*at)) in lines
    ]
    return document.value["name"], fields


def _leaves(
    value: Any, at: tuple[str | int, ...] = (), field: str = ""
) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """Path, written path and value of each scalar."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            if at or key not in _FOR_PEOPLE:
                yield from _leaves(below, (*at, key), f"{field}.{key}" if field else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for index, below in enumerate(value):
            yield from _leaves(below, (*at, index), f"{field}[{index}]")
    else:
        yield at, field, value


def _porcelain(said: str) -> Iterator[BlamedLine]:
    """The lines of `git blame --porcelain`: a commit is described where it first comes up."""
    commits: dict[str, dict[str, str]] = {}
    sha, number = "", 0
    about: dict[str, str] = {}
    for line in said.split("\n"):
        if line.startswith("\t"):
            yield _line(sha, number, about)
        elif line[:40].strip("0123456789abcdef") == "" and line[40:41] == " ":
            sha, number = line[:40], int(line.split()[2])
            about = commits.setdefault(sha, {})
        elif line:
            key, _, value = line.partition(" ")
            about[key] = value


def _line(sha: str, number: int, about: Mapping[str, str]) -> BlamedLine:
    author = f"{about.get('author', '')} {about.get('author-mail', '')}".strip()
    when = _moment(about.get("author-time", "0"), about.get("author-tz", "+0000"))
    return BlamedLine(
        about.get("filename", ""), number, sha, author, when, about.get("summary", "")
    )


def _moment(seconds: str, zone: str) -> str:
    sign = -1 if zone.startswith("-") else 1
    offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    return datetime.fromtimestamp(int(seconds), UTC).astimezone(timezone(offset)).isoformat()
