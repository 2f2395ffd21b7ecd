"""A change of specs as a proposal: one branch, one commit, one pull request that is updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.git.branches import commit_and_push, current_branch
from tidemill.adapters.git.command import git
from tidemill.errors import ServiceError
from tidemill.home import Home
from tidemill.ports import Forge, PullRequest


@dataclass(frozen=True)
class Desk:
    """The repository of the specs, its remote, and the forge where people read."""

    folder: Path
    """A folder of the repository."""
    remote: str
    forge: Forge

    @property
    def root(self) -> Path:
        """The top of the working tree."""
        return Path(git(self.folder, "rev-parse", "--show-toplevel").decode().strip())

    def clean(self, folder: Path) -> None:
        """Raise ServiceError where a project differs from its commit: what was searched on would
        not be what the proposal is based on."""
        changed = git(self.folder, "status", "--porcelain", "--", str(folder)).decode().split("\n")
        if changed[0]:
            raise ServiceError(
                f"{changed[0][3:]} is not committed; commit or stash the changes below {folder}, "
                "then run again: the answers are kept"
            )

    def open(
        self,
        branch: str,
        folder: Path,
        files: Mapping[str, bytes | None],
        title: str,
        body: str,
        base: str = "",
    ) -> PullRequest:
        """Commit files of a project's folder to the branch, push it, open the proposal or bring the
        open one up to date. May be run again at any point; never makes a second one.

        `base` is the branch to merge into, the one that is checked out without it.
        """
        base = base or current_branch(self.folder)
        below = folder.resolve().relative_to(self.root.resolve())
        written = {(below / path).as_posix(): content for path, content in files.items()}
        commit_and_push(self.root, self.remote, "HEAD", branch, written, title)
        return self.forge.open_pull_request(branch, base, title, body)


def pull_requests(home: Home) -> Desk:
    """The repository that holds the specs, with its forge; raises ServiceError."""
    from tidemill.adapters.forge import open_forge

    settings = home.settings
    return Desk(settings.specs, settings.forge.remote, open_forge(settings))
