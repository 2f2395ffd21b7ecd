"""Both sides of a plan: the specs as they stand, and as they were at the merge base.

Only projects whose files differ are looked at on both sides. A commit's files are written into a
temporary folder when they have to be read, and never more of them than that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import tidemill
from tidemill.adapters.git.trees import LINK, SpecsFolder, Tree
from tidemill.content import PREFIX, digest_of, hash_file
from tidemill.engine.plan import Known
from tidemill.errors import Problem, SpecError, TidemillError
from tidemill.planning import reading
from tidemill.planning.cache import Cache, Kept, code_of, key_of
from tidemill.settings import Settings

CACHE = "plan-cache-1.db"


@dataclass
class Side:
    """The specs of one commit, or of the working tree."""

    place: SpecsFolder
    tree: Tree
    specs: Path
    """The specs folder in the working tree."""
    commit: str = ""
    """Empty for the working tree."""
    scratch: Path = Path()
    """Where files of the commit may be written."""
    written: set[str] = field(default_factory=set)

    @cached_property
    def keys(self) -> dict[str, str | None]:
        """What each project is kept under; None where it has to be read to know."""
        code = code_of(Path(tidemill.__file__).parent)
        single = "" in self.tree.projects
        return {
            name: None if single else key_of(name, files, code)
            for name, files in self.tree.projects.items()
        }

    def root(self, projects: Collection[str]) -> Path:
        """The specs folder with at least these projects in it, as files."""
        if not self.commit:
            return self.specs
        wanted = set(projects)
        if "" in self.tree.projects or any(b.mode == LINK for b in self.tree.files.values()):
            wanted = {path.partition("/")[0] if "/" in path else "" for path in self.tree.files}
        paths = [
            path
            for path in self.tree.files
            if (path.partition("/")[0] if "/" in path else "") in wanted - self.written
        ]
        self.written |= wanted
        return self.place.checkout_files(self.commit, paths, self.scratch)

    def read(self, cache: Cache, without: Collection[str]) -> tuple[dict[str, Kept], list[Problem]]:
        """Every project but these: from the cache where nothing can differ, else from its files."""
        wanted = {name: self.keys[name] for name in self.tree.projects if name not in without}
        kept = cache.get(key for key in wanted.values() if key)
        found = {
            name: kept[key]
            for name, key in wanted.items()
            if key in kept and self._holds(name, kept[key])
        }
        missing = wanted.keys() - found.keys()
        if not missing:
            return found, []
        projects = self.tree.projects
        batch = reading.read_projects(
            self.root(missing), {name: len(projects[name]) for name in missing}
        )
        fresh = {name: self._trimmed(name, one) for name, one in batch.kept.items()}
        if not batch.problems:
            cache.put({str(wanted[n]): one for n, one in fresh.items() if wanted.get(n)})
        return found | fresh, [self._placed(problem) for problem in batch.problems]

    def _holds(self, name: str, kept: Kept) -> bool:
        """True where the files that Git does not know are what they were."""
        if self.commit:
            return not kept.outside
        try:
            return all(_hash(self.specs / name / f) == h for f, h in kept.outside.items())
        except OSError:
            return False

    def _trimmed(self, name: str, kept: Kept) -> Kept:
        outside = {f: h for f, h in kept.outside.items() if f"{name}/{f}" not in self.tree.files}
        return replace(kept, outside=outside)

    def _placed(self, problem: Problem) -> Problem:
        """A problem in a written file, told of the file it was written from."""
        try:
            inside = problem.path.relative_to(self.scratch / "tree")
        except ValueError:
            return problem
        return replace(problem, path=Path(f"{self.commit[:12]}:{inside.as_posix()}"))


@dataclass
class Sides:
    """What a plan compares."""

    against: str
    """The branch or commit that was named."""
    head: Side
    base: Side
    head_commit: str
    """What is checked out, or was named."""
    wanted: dict[str, Known]
    """Specs as they are, of projects that differ."""
    built: dict[str, Known]
    """Specs as they were, of the same projects."""
    equal: int
    """Specs of projects in which no file differs."""
    problems: tuple[Problem, ...]
    """What is wrong with the base; what could be read there is compared."""
    subject_key: bytes | None = field(default=None, repr=False)
    """Keys the hash of user ids in rows."""


@contextmanager
def open_sides(settings: Settings, against: str | None, head: str | None) -> Iterator[Sides]:
    """Read both sides; raises SpecError with every problem of the head, ServiceError for what Git
    cannot give."""
    place = SpecsFolder.open(settings.specs)
    head_commit = place.resolve(head or "HEAD")
    ref = against or place.default_branch(settings.forge.remote)
    base_commit = place.merge_base(place.resolve(ref), head_commit)
    scratch = Path(tempfile.mkdtemp(prefix="tidemill-plan-"))
    try:
        ours = place.tree_at(head_commit) if head else place.working_tree()
        mine = _side(place, ours, settings, head_commit if head else "", scratch / "head")
        base = _side(place, place.tree_at(base_commit), settings, base_commit, scratch / "base")
        yield _compare(settings, ref, mine, base, head_commit)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _side(place: SpecsFolder, tree: Tree, settings: Settings, commit: str, scratch: Path) -> Side:
    scratch.mkdir()
    return Side(place, tree, settings.specs, commit, scratch.resolve())


def _compare(settings: Settings, ref: str, head: Side, base: Side, head_commit: str) -> Sides:
    if not head.tree.projects and not base.tree.projects:
        raise TidemillError(
            f"{settings.specs} holds no specs, here or at {ref}; name their folder with --specs"
        )
    cache = Cache(settings.home / CACHE)
    same = {n for n, key in head.keys.items() if key is not None and base.keys.get(n) == key}
    ours, problems = head.read(cache, ())
    if problems:
        raise SpecError(problems)
    if reading.claims(ours):
        _tell_claims(head)
    theirs, wrong = base.read(cache, same)
    return Sides(
        against=ref,
        head=head,
        base=base,
        head_commit=head_commit,
        wanted=_known({name: one for name, one in ours.items() if name not in same}),
        built=_known(theirs),
        equal=sum(ours[name].count() for name in same),
        problems=tuple(wrong),
        subject_key=settings.subject_key,
    )


def _tell_claims(head: Side) -> None:
    """Services and topics claimed twice, told as `validate` does."""
    from tidemill.spec.load import load

    load(head.root(head.tree.projects))


def _known(kept: Mapping[str, Kept]) -> dict[str, Known]:
    return {key: known for one in kept.values() for key, known in reading.known_of(one).items()}


def _hash(path: Path) -> str:
    return digest_of(path) if path.is_dir() else PREFIX + hash_file(path)
