"""The two revisions that a plan compares: the specs as they stand, and those of the merge base.

A project in which no file differs is read on neither side in full. A commit's files are written
into a temporary folder when they have to be read, and never more of them than that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import tidemill
from tidemill.adapters.git.trees import LINK, SpecsFolder, Tree
from tidemill.content import PREFIX, digest_of, hash_file
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.errors import Problem, SpecError, TidemillError
from tidemill.planning import reading
from tidemill.planning.cache import PlanCache, cache_key, code_hash
from tidemill.planning.cached_project import CachedProject
from tidemill.settings import Settings

CACHE = "plan-cache-1.db"


@dataclass
class Revision:
    """The specs of one commit, or of the working tree."""

    repository: SpecsFolder
    tree: Tree
    specs_folder: Path
    """The specs folder in the working tree."""
    commit: str = ""
    """Empty for the working tree."""
    scratch: Path = Path()
    """Where files of the commit may be written."""
    written_projects: set[str] = field(default_factory=set)

    @cached_property
    def cache_keys(self) -> dict[str, str | None]:
        """The key of each project in the cache; None where only its files can tell."""
        code = code_hash(Path(tidemill.__file__).parent)
        single = "" in self.tree.projects
        return {
            name: None if single else cache_key(name, files, code)
            for name, files in self.tree.projects.items()
        }

    def materialise_files(self, projects: Collection[str]) -> Path:
        """The specs folder with the files of at least these projects."""
        if not self.commit:
            return self.specs_folder
        names = set(projects)
        if "" in self.tree.projects or any(b.mode == LINK for b in self.tree.files.values()):
            names = {_project_of(path) for path in self.tree.files}
        unwritten = names - self.written_projects
        paths = [path for path in self.tree.files if _project_of(path) in unwritten]
        self.written_projects |= names
        return self.repository.checkout_files(self.commit, paths, self.scratch)

    def read(
        self, cache: PlanCache, without: Collection[str]
    ) -> tuple[dict[str, CachedProject], list[Problem]]:
        """Every project but these: from the cache where nothing can differ, else from its files."""
        keys = {name: self.cache_keys[name] for name in self.tree.projects if name not in without}
        cached = cache.get(key for key in keys.values() if key)
        projects = {
            name: cached[key]
            for name, key in keys.items()
            if key in cached and self._is_unchanged(name, cached[key])
        }
        missing = keys.keys() - projects.keys()
        if not missing:
            return projects, []
        sizes = {name: len(self.tree.projects[name]) for name in missing}
        batch = reading.read_projects(self.materialise_files(missing), sizes)
        fresh = {name: self._trim(name, project) for name, project in batch.projects.items()}
        if not batch.problems:
            cache.put(
                {str(keys[name]): project for name, project in fresh.items() if keys.get(name)}
            )
        return projects | fresh, [self._relocate(problem) for problem in batch.problems]

    def _is_unchanged(self, name: str, project: CachedProject) -> bool:
        """True where the files that Git does not know are what they were."""
        files = project.untracked_files
        if self.commit:
            return not files
        try:
            return all(_hash(self.specs_folder / name / f) == digest for f, digest in files.items())
        except OSError:
            return False

    def _trim(self, name: str, project: CachedProject) -> CachedProject:
        """Without the files that Git knows: the cache key covers those."""
        files = project.untracked_files.items()
        untracked = {f: digest for f, digest in files if f"{name}/{f}" not in self.tree.files}
        return replace(project, untracked_files=untracked)

    def _relocate(self, problem: Problem) -> Problem:
        """A problem of a written file, with the path that the file has in the commit."""
        try:
            inside = problem.path.relative_to(self.scratch / "tree")
        except ValueError:
            return problem
        return replace(problem, path=Path(f"{self.commit[:12]}:{inside.as_posix()}"))


@dataclass
class Revisions:
    """What a plan compares."""

    base_ref: str
    """The branch or commit that was named."""
    head: Revision
    base: Revision
    """The merge base of `base_ref` and the head."""
    head_commit: str
    """What is checked out, or was named."""
    desired: dict[str, SpecSnapshot]
    """The head's specs of projects in which a file differs, by `project/name`."""
    former: dict[str, SpecSnapshot]
    """The base's specs of the same projects."""
    unchanged_projects: dict[str, CachedProject]
    """Projects in which no file differs."""
    problems: tuple[Problem, ...]
    """What is wrong with the base; what could be read there is compared."""
    subject_key: bytes | None = field(default=None, repr=False)
    """Keys the hash of user ids in rows."""

    @property
    def is_default_branch(self) -> bool:
        """True where the head is the merge base: no commit of a branch is compared."""
        return self.head_commit == self.base.commit

    def unchanged_count(self) -> int:
        """How many specs no file differs of."""
        return sum(project.count() for project in self.unchanged_projects.values())

    def unchanged_summaries(self) -> dict[str, SpecSnapshot]:
        """Specs of projects in which no file differs, without their fields."""
        return reading.summaries(self.unchanged_projects.values())

    def unchanged_specs(self, projects: Iterable[str]) -> dict[str, SpecSnapshot]:
        """The specs of some of these projects, with their fields."""
        names = set(projects)
        chosen = [
            cached
            for cached in self.unchanged_projects.values()
            if any(spec.project in names for spec in cached.summaries())
        ]
        return reading.snapshots(chosen)


@contextmanager
def open_revisions(
    settings: Settings, against: str | None, head: str | None
) -> Iterator[Revisions]:
    """Read both revisions; raises SpecError with every problem of the head, ServiceError where Git
    cannot give one of them."""
    repository = SpecsFolder.open(settings.specs)
    head_commit = repository.resolve(head or "HEAD")
    ref = against or repository.default_branch(settings.forge.remote)
    base_commit = repository.merge_base(repository.resolve(ref), head_commit)
    scratch = Path(tempfile.mkdtemp(prefix="tidemill-plan-"))
    try:
        tree = repository.tree_at(head_commit) if head else repository.working_tree()
        commit = head_commit if head else ""
        ours = _revision(repository, tree, settings, commit, scratch / "head")
        base_tree = repository.tree_at(base_commit)
        base = _revision(repository, base_tree, settings, base_commit, scratch / "base")
        yield _compare(settings, ref, ours, base, head_commit)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _revision(
    repository: SpecsFolder, tree: Tree, settings: Settings, commit: str, scratch: Path
) -> Revision:
    scratch.mkdir()
    return Revision(repository, tree, settings.specs, commit, scratch.resolve())


def _compare(
    settings: Settings, ref: str, head: Revision, base: Revision, head_commit: str
) -> Revisions:
    if not head.tree.projects and not base.tree.projects:
        raise TidemillError(
            f"{settings.specs} has no specs, neither here nor at {ref}; name their folder with "
            "--specs"
        )
    cache = PlanCache(settings.home / CACHE)
    base_keys = base.cache_keys
    same = {n for n, key in head.cache_keys.items() if key is not None and base_keys.get(n) == key}
    ours, problems = head.read(cache, ())
    if problems:
        raise SpecError(problems)
    if reading.has_conflicting_claims(ours.values()):
        _raise_claims(head)
    theirs, base_problems = base.read(cache, same)
    return Revisions(
        base_ref=ref,
        head=head,
        base=base,
        head_commit=head_commit,
        desired=reading.snapshots(project for name, project in ours.items() if name not in same),
        former=reading.snapshots(theirs.values()),
        unchanged_projects={name: ours[name] for name in same},
        problems=tuple(base_problems),
        subject_key=settings.subject_key,
    )


def _raise_claims(head: Revision) -> None:
    """Raise for services and topics that are claimed twice, as `validate` does."""
    from tidemill.spec.load import load

    load(head.materialise_files(head.tree.projects))


def _project_of(path: str) -> str:
    """The folder that a path begins with; '' for a file of the specs folder itself."""
    return path.partition("/")[0] if "/" in path else ""


def _hash(path: Path) -> str:
    return digest_of(path) if path.is_dir() else PREFIX + hash_file(path)
