"""A bare copy of the followed branch below the home: what was fetched stays, whatever happens.

The copy holds commits and folders of the whole branch, so that any two commits can be compared,
and the contents of files only where a worktree needed them (`--filter=blob:none`, where the remote
can). Nothing here is worth a backup: without the folder the next fetch makes it again.
"""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from pathlib import Path

from tidemill.adapters.git.command import git, run, try_git
from tidemill.adapters.git.mirror_config import mirror_config
from tidemill.adapters.git.push_errors import redact_credentials
from tidemill.errors import ServiceError, suggest
from tidemill.ports import Commit

TIP_REF = "refs/tidemill/tip"
KEPT_REF = "refs/tidemill/kept"
FETCH_SECONDS = 600.0
POLL_SECONDS = 30.0
"""Time for asking the remote where its branch is."""
_FORMAT = "%H%x00%an <%ae>%x00%aI%x00%s"
_LOCKED = re.compile(r"Unable to create '(.+?\.lock)': File exists")


class Mirror:
    """One branch of one remote, followed; raises ServiceError for what the remote does not give."""

    def __init__(
        self, folder: Path, remote: str, branch: str, *, timeout: float = FETCH_SECONDS
    ) -> None:
        self.folder, self.remote, self.branch, self.timeout = folder, remote, branch, timeout
        _check_remote(remote)
        _check_branch(branch)

    @property
    def remote_without_password(self) -> str:
        """The remote without its password."""
        return redact_credentials(self.remote)

    def fetch(self) -> str:
        """The sha of the branch's newest commit, which is here afterwards.

        A rewritten branch is followed; what it left stays known. Raises ServiceError, and leaves
        everything as it was, where the remote does not answer, is empty or has no such branch.
        """
        self._prepare()
        tip, before = self._remote_tip(), self.tip()
        if tip == before:
            return tip
        if before:
            self._git("update-ref", f"{KEPT_REF}/{before}", before)
        if try_git(self.folder, "rev-parse", "--verify", "--quiet", f"{KEPT_REF}/{tip}"):
            self._git("update-ref", TIP_REF, tip)
            return tip
        narrow = ("--quiet", "--no-tags", "--no-recurse-submodules", "--update-shallow")
        options = (*narrow, "--no-write-fetch-head", "--no-auto-gc", *self._filter())
        self.run_remote_command("fetch", *options, "origin", f"+refs/heads/{self.branch}:{TIP_REF}")
        fetched = self.tip()
        assert fetched is not None
        return fetched

    def tip(self) -> str | None:
        """The newest commit that was fetched."""
        tip = try_git(self.folder, "rev-parse", "--verify", "--quiet", TIP_REF)
        return tip.strip() if tip else None

    def commit(self, sha: str) -> Commit:
        """Author, time and subject of a commit."""
        line = self._git("log", "-1", f"--format={_FORMAT}", sha).decode(errors="replace")
        sha, author, when, subject = line.strip().split("\0")
        return Commit(sha, author, datetime.fromisoformat(when), subject, dirty=False)

    def commits_between(self, sha: str, before: str | None) -> list[str]:
        """Every commit that `sha` has and `before` has not, oldest first, those of merged branches
        included; `sha` alone where nothing was there before."""
        if before is None or not self.has_commit(before):
            return [sha]
        return self._git("rev-list", "--reverse", sha, f"^{before}").decode().split()

    def has_commit(self, sha: str) -> bool:
        """True where a commit is here."""
        return run(self.folder, "cat-file", "-e", f"{sha}^{{commit}}").returncode == 0

    def is_descendant(self, sha: str, before: str) -> bool:
        """True where `sha` was built on `before`; False after a forced push, or where the history
        is cut off between them."""
        return run(self.folder, "merge-base", "--is-ancestor", before, sha).returncode == 0

    @property
    def is_shallow(self) -> bool:
        """True where the remote itself has only a part of the history."""
        return (self.folder / "shallow").exists()

    def repack(self) -> None:
        """Pack what has piled up; Git decides whether it is worth it."""
        try_git(self.folder, "-c", "gc.auto=6700", "gc", "--auto", "--quiet")

    def _filter(self) -> tuple[str, ...]:
        """Without contents, unless the remote is itself cut off: Git 2.39 then asks for the parents
        it cannot have again and again."""
        local = Path(self.remote.removeprefix("file://"))
        cut = (local / "shallow").exists() or (local / ".git" / "shallow").exists()
        return () if cut else ("--filter=blob:none",)

    def _prepare(self) -> None:
        """Make the repository, or bring its settings up to date; both may be repeated."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "config"
        config = mirror_config(self.remote, partial=bool(self._filter()))
        if not all((self.folder / name).exists() for name in ("HEAD", "objects", "refs")):
            git(self.folder, "init", "--bare", "--quiet")
        if not path.exists() or path.read_text() != config:
            fresh = path.with_name(f".config.{os.getpid()}")
            fresh.touch(mode=0o600)
            fresh.write_text(config)
            fresh.replace(path)

    def _remote_tip(self) -> str:
        """The commit that the branch points to on the remote now; raises ServiceError."""
        ref = f"refs/heads/{self.branch}"
        heads = self._heads("--heads", "origin", ref)
        if ref not in heads:
            branches = [
                name.removeprefix("refs/heads/") for name in self._heads("--heads", "origin")
            ]
            remote = self.remote_without_password
            raise ServiceError(
                f"{remote} has no branch '{self.branch}'; {suggest(self.branch, branches)}"
                if branches
                else f"{remote} is empty; push '{self.branch}' to it"
            )
        return heads[ref]

    def _heads(self, *arguments: str) -> dict[str, str]:
        output = self.run_remote_command(
            "ls-remote", *arguments, limit=min(self.timeout, POLL_SECONDS)
        )
        pairs = (line.split("\t", 1) for line in output.decode(errors="replace").splitlines())
        return {name: sha for sha, name in pairs}

    def run_remote_command(self, *arguments: str, limit: float | None = None) -> bytes:
        """A command that may have to ask the remote; no message of it holds a password."""
        limit = limit or self.timeout
        try:
            return git(self.folder, *arguments, timeout=limit)
        except ServiceError as error:
            message = " ".join(redact_credentials(str(error)).split())
            locked = _LOCKED.search(message)
            if locked and _remove_stale_lock(Path(locked[1]), limit):
                return self.run_remote_command(*arguments, limit=limit)
            way_out = "the last fetched commit stays in use; the next poll tries again"
            raise ServiceError(f"{self.remote_without_password}: {message}; {way_out}") from None

    def _git(self, *arguments: str) -> bytes:
        return git(self.folder, *arguments)


def _remove_stale_lock(lock: Path, limit: float) -> bool:
    """Take away a lock that a killed Git left: none that lives holds one longer than a fetch."""
    try:
        if time.time() - lock.stat().st_mtime < limit:
            return False
        lock.unlink()
    except OSError:
        return False
    return True


def _check_remote(remote: str) -> None:
    if remote.startswith("-") or not remote.isprintable():
        raise ServiceError(f"'{remote}' is no address of a repository; set TIDEMILL_GIT_REMOTE")


def _check_branch(branch: str) -> None:
    named = run(Path.cwd(), "check-ref-format", f"refs/heads/{branch}").returncode == 0
    if branch.startswith("-") or not named:
        raise ServiceError(f"'{branch}' cannot be a branch; set TIDEMILL_GIT_BRANCH")
