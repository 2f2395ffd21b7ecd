"""The lock by way of Git: a commit on the branch that is checked out, or a pull request."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tidemill.adapters.git.branches import (
    commit_and_push,
    commit_on_checkout,
    current_branch,
    remote_tip,
)
from tidemill.adapters.git.command import try_git
from tidemill.adapters.store.remote import dvc_root
from tidemill.control.lock_artefacts import lock_files, planned_files
from tidemill.control.lockfile import planned_locks, project_lock, services, top
from tidemill.engine.config_drift import short_digest
from tidemill.errors import ServiceError
from tidemill.home import Home
from tidemill.ports import Forge, PullRequest
from tidemill.spec.lock import BRANCH, FILE, LockedRelease, LockFile, parse_lock


def commit(home: Home, named: Collection[str]) -> str | None:
    """Commit the locks on the branch that is checked out; None where it says the same already."""
    locks = [new for _, new in planned_locks(home, named).values() if new is not None]
    if not locks:
        return None
    message = subject(locks) + "\n\n" + summary(locks)
    return commit_on_checkout(top(home), dict(planned_files(home, named)), message)


def propose(home: Home, named: Collection[str], forge: Forge, base: str) -> PullRequest | None:
    """Open the pull request of the locks, or bring the open one up to date.

    A rollout under way is in it as `wanted`: to merge it is to approve it. None where the base says
    the same already. Run again it ends in the same branch and the same pull request.
    """
    root, remote = top(home), home.settings.forge.remote
    tip = remote_tip(root, remote, base)
    if tip is None:
        raise ServiceError(f"{remote} has no branch '{base}' to merge into; push it first")
    locks, files = _against(home, named, root, tip)
    if not files:
        return None
    title, body = subject(locks), summary(locks)
    commit_and_push(root, remote, tip, BRANCH, files, f"{title}\n\n{body}")
    return forge.open_pull_request(BRANCH, base, title, body)


def base_branch(home: Home) -> str:
    """The branch that a lock is merged into: the one that is followed, or checked out."""
    if home.settings.git_remote:
        return home.settings.git_branch
    return current_branch(home.settings.specs)


def subject(locks: Collection[LockFile]) -> str:
    """One line: what each service serves, and what waits for people."""
    parts = []
    for lock in locks:
        for service, releases in sorted(lock.services.items()):
            part = (
                f"{service} serves {short_digest(releases.live.release)}"
                if releases.live
                else service
            )
            parts.append(
                part
                + (f", wants {short_digest(releases.wanted.release)}" if releases.wanted else "")
            )
    return "Lock: " + ("; ".join(parts) if len(parts) < 4 else f"{len(parts)} services")


def summary(locks: Collection[LockFile]) -> str:
    """The text of the commit and of the pull request, in Markdown."""
    lines: list[str] = []
    for lock in locks:
        for service, releases in sorted(lock.services.items()):
            lines.append(f"**{service}** ({lock.project})")
            lines += [f"- live: {_describe(releases.live)}"] if releases.live else []
            if releases.wanted:
                lines.append(f"- wanted: {_describe(releases.wanted)}")
                lines.append(
                    "- **Merging this pull request approves the wanted release** in your name."
                )
            lines.append("")
    return "\n".join(lines).strip()


def _describe(release: LockedRelease) -> str:
    figures = [
        f"{f.metric} {f.value:.3g} ({f.low:.3g} to {f.high:.3g})"
        for f in release.evaluation.figures
        if f.slice is None and None not in (f.value, f.low, f.high)
    ]
    origin = f", built from commit {release.commit[:10]}" if release.commit else ""
    return f"`{short_digest(release.release)}`{origin}; " + (", ".join(figures) or "no metrics")


def _against(
    home: Home, named: Collection[str], root: Path, tip: str
) -> tuple[list[LockFile], dict[str, bytes | None]]:
    """The locks whose files differ from those of a commit, and these files by path from `root`."""
    chosen = services(home, named)
    locks: list[LockFile] = []
    files: dict[str, bytes | None] = {}
    for project in dict.fromkeys(chosen.values()):
        folder = home.project(project).folder
        inside = folder.resolve().relative_to(root.resolve())
        content = _at(root, tip, inside / FILE)
        old = parse_lock(content, inside / FILE) if content is not None else None
        mine = [service for service, owner in chosen.items() if owner == project]
        new = project_lock(home, project, mine, old, wanted=True, all_=not named)
        planned = lock_files(old, new, dvc=dvc_root(folder) is not None)
        changed = {
            (inside / path).as_posix(): content
            for path, content in planned.items()
            if _at(root, tip, inside / path) != content
        }
        if changed and new is not None:
            locks.append(new)
            files |= changed
    return locks, files


def _at(root: Path, commit: str, path: Path) -> bytes | None:
    """A file of a commit; None where it has none."""
    content = try_git(root, "show", f"{commit}:{path.as_posix()}")
    return content.encode() if content is not None else None
