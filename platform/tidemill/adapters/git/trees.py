"""The files of a folder of specs as Git sees them: at a commit, or in the working tree.

Git's own object ids say which projects are equal on two sides, so that only what differs has to be
read. The working tree is never touched: files of a commit are written into a folder of the
caller's, through an index of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.adapters.git.command import git, run, try_git
from tidemill.errors import ServiceError

ENDINGS = (".yaml", ".yml")
LINK, MODULE = "120000", "160000"
_MAIN = ("main", "master")


@dataclass(frozen=True)
class Blob:
    """One file: its mode, and the id Git gives its contents."""

    mode: str
    id: str


@dataclass(frozen=True)
class Tree:
    """The files below the specs folder on one side."""

    files: Mapping[str, Blob]
    """By path relative to the specs folder; what Git ignores or does not know is not in it, save
    for specs."""
    projects: Mapping[str, Mapping[str, Blob]] = field(init=False, repr=False)
    """Folders that hold specs, each with its files; '' for specs beside the folders."""

    def __post_init__(self) -> None:
        folders: dict[str, dict[str, Blob]] = {}
        for path, blob in self.files.items():
            folders.setdefault(path.partition("/")[0] if "/" in path else "", {})[path] = blob
        links = {path for path, blob in folders.get("", {}).items() if blob.mode == LINK}
        projects = {name: files for name, files in folders.items() if any(map(is_spec, files))}
        projects |= {link: {link: self.files[link]} for link in links if not is_spec(link)}
        object.__setattr__(self, "projects", projects)


@dataclass(frozen=True)
class SpecsFolder:
    """A folder of specs in its repository."""

    root: Path
    """The repository's working tree."""
    prefix: str
    """The specs folder below it, with forward slashes; '' for the top itself."""

    @classmethod
    def open(cls, specs: Path) -> SpecsFolder:
        """The specs folder in its repository; raises ServiceError outside of Git."""
        existing = next(folder for folder in (specs, *specs.parents) if folder.is_dir())
        done = run(existing, "rev-parse", "--show-toplevel")
        message = done.stderr.decode(errors="replace").strip()
        if done.returncode and "not a git repository" not in message:
            raise ServiceError(f"Git does not open the repository of {specs}: {message}")
        if done.returncode:
            raise ServiceError(
                f"{specs} is in no Git repository, and a plan compares it with a commit; "
                "`git init` makes one, `tidemill validate` checks the specs without one"
            )
        root = Path(os.fsdecode(done.stdout).rstrip("\n"))
        # Git knows no links on the way; what is not there yet stands below what is.
        resolved = existing.resolve() / specs.relative_to(existing)
        prefix = resolved.relative_to(root.resolve()).as_posix()
        return cls(root, "" if prefix == "." else prefix)

    def resolve(self, ref: str) -> str:
        """The commit a name stands for; raises ServiceError for an unknown one."""
        name = try_git(
            self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
        )
        if name:
            return name.strip()
        if ref == "HEAD":
            raise ServiceError("the repository has no commit yet; make the first one, then plan")
        raise ServiceError(
            f"'{ref}' names no commit here; `git fetch origin` brings branches that are on the "
            "remote only, `git branch -a` lists what there is"
        )

    def default_branch(self, remote: str = "origin") -> str:
        """The branch to compare with by default: the remote's default branch, else main."""
        for ref in (f"{remote}/HEAD", *(f"{remote}/{name}" for name in _MAIN), *_MAIN):
            if try_git(self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
                return ref
        raise ServiceError(
            f"there is no {remote}/HEAD and no branch main to compare with; name one with "
            f"--against, or let Git know it with `git remote set-head {remote} --auto`"
        )

    def merge_base(self, one: str, other: str) -> str:
        """The commit two commits come from; raises ServiceError with the way out."""
        base = try_git(self.root, "merge-base", one, other)
        if base:
            return base.strip()
        if (try_git(self.root, "rev-parse", "--is-shallow-repository") or "").strip() == "true":
            raise ServiceError(
                "the clone is too shallow: the commit both sides come from is not in it; "
                "`git fetch --unshallow` gets it (in a GitHub workflow: `fetch-depth: 0`, in a "
                "GitLab job: `GIT_DEPTH: 0`)"
            )
        raise ServiceError(
            f"{one[:12]} and {other[:12]} have no merge base; choose another --against"
        )

    def tree_at(self, commit: str) -> Tree:
        """The specs of a commit; empty where it has none."""
        blobs: dict[str, Blob] = {}
        listed = self._git("ls-tree", "-r", "-z", "--full-tree", commit, "--", *self._paths())
        for line in _fields(listed):
            about, _, path = line.partition("\t")
            mode, _, blob = about.split(" ")
            blobs[self._relative_to_specs(path)] = Blob(mode, blob)
        return Tree(blobs)

    def working_tree(self) -> Tree:
        """The specs as they are on disk, whether or not they are committed or ignored."""
        blobs: dict[str, Blob] = {}
        doubtful: dict[str, str] = {}
        paths = ("--", *self._paths())
        for line in _fields(self._git("ls-files", "-v", "-s", "-z", *paths)):
            about, _, path = line.partition("\t")
            tag, mode, blob, stage = about.split(" ")
            blobs[path] = Blob(mode, blob)
            if tag != "H" or stage != "0":  # hidden from `diff`, or in conflict
                doubtful[path] = mode
        changed = self._git("diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", *paths)
        doubtful |= {path: blobs[path].mode for path in _fields(changed)}
        others = _fields(self._git("ls-files", "--others", "-z", *paths))
        doubtful |= {path: "100644" for path in others if is_spec(self._relative_to_specs(path))}
        blobs |= self._hash_files(doubtful, blobs)
        return Tree({self._relative_to_specs(path): blob for path, blob in blobs.items()})

    def checkout_files(self, commit: str, paths: Iterable[str], into: Path) -> Path:
        """Write files of a commit (paths below the specs folder) as a checkout would; gives the
        specs folder in there."""
        index = {"GIT_INDEX_FILE": str(into / "index")}
        stdin = "".join(f"{self._relative_to_repository(path)}\0" for path in paths).encode(*_NAMES)
        git(self.root, "read-tree", commit, environment=index)
        tree = into / "tree" if self.prefix else into / "tree" / self.root.name
        prefix = f"--prefix={tree}/"
        git(self.root, "checkout-index", "-z", "--stdin", prefix, stdin=stdin, environment=index)
        specs = tree / self.prefix
        specs.mkdir(parents=True, exist_ok=True)
        return specs

    def _hash_files(self, doubtful: Mapping[str, str], found: dict[str, Blob]) -> dict[str, Blob]:
        """What stands on disk under these paths, as Git would store it; what is gone is dropped."""
        present = []
        for path, mode in doubtful.items():
            found.pop(path, None)
            location = self.root / path
            if location.is_symlink() or mode in (LINK, MODULE):
                found[path] = Blob(LINK, "")
            elif location.is_file():
                present.append(path)
        if not present:
            return {}
        stdin = "".join(f"{path}\n" for path in present).encode(*_NAMES)
        done = run(self.root, "hash-object", "--stdin-paths", stdin=stdin)
        ids = done.stdout.decode().split()
        if done.returncode or len(ids) != len(present):  # unreadable, or a line feed in a name
            return {path: Blob(LINK, "") for path in present}
        return {path: Blob(doubtful[path], blob) for path, blob in zip(present, ids, strict=True)}

    def _git(self, *arguments: str) -> bytes:
        return git(self.root, "--literal-pathspecs", *arguments)

    def _paths(self) -> tuple[str, ...]:
        return (f"{self.prefix}/",) if self.prefix else ()

    def _relative_to_specs(self, path: str) -> str:
        return path[len(self.prefix) + 1 :] if self.prefix else path

    def _relative_to_repository(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


_NAMES = ("utf-8", "surrogateescape")


def is_spec(path: str) -> bool:
    """True for a file that the loader takes for a spec: in a project's folder or beside them."""
    deep, hidden = path.count("/") > 1, path.startswith(".") or "/." in path
    return path.endswith(ENDINGS) and not deep and not hidden


def _fields(listed: bytes) -> list[str]:
    return [os.fsdecode(part) for part in listed.split(b"\0") if part]
