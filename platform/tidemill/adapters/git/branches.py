"""Everything that is written to a team's Git repository: commits, notes, and their push.

A branch is written without touching the working tree or the index; `commit_on_checkout` alone
commits on the branch that is checked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tidemill.adapters.git.command import git, run, try_git
from tidemill.adapters.git.objects import identity, repository_root, write_commit, write_tree
from tidemill.adapters.git.push_errors import is_non_fast_forward, push_error
from tidemill.errors import ServiceError

_PUSHES = 8
"""How often a push is tried that others come before."""
_SIGN = "Tidemill-Tree: "
"""Begins the last line of a commit of ours; what follows is true until somebody amends it."""


def commit_and_push(
    repository: Path,
    remote: str,
    base_ref: str,
    branch: str,
    files: Mapping[str, bytes | None],
    message: str,
    *,
    author: str | None = None,
) -> str:
    """Commit files to a branch and push it; gives the commit.

    May be killed anywhere and run again: the remote ends with the one commit, made by whichever
    run came first. A branch of an earlier run on an older base is replaced, a person's never is.
    Raises ServiceError.
    """
    remote_commit = remote_tip(repository, remote, branch)
    parents = [remote_commit] if remote_commit else []
    sha = commit_to_branch(
        repository, base_ref, branch, files, message, author=author, known=parents
    )
    if sha != remote_commit and sha != resolve(repository_root(repository), base_ref):
        push(repository, branch, remote, force_with_lease=remote_commit)
    return sha


def commit_to_branch(
    repository: Path,
    base_ref: str,
    branch: str,
    files: Mapping[str, bytes | None],
    message: str,
    *,
    author: str | None = None,
    known: Sequence[str] = (),
) -> str:
    """A branch that is `base_ref` and one commit that writes these files (None removes one).

    Asked again for the same it gives the commit there is, be it the tip of the branch here, of its
    remote-tracking branch or one of `known`. Where the base holds all of it already there is
    nothing to commit: gives the base's commit and leaves the branch alone. Paths are relative to
    the root of the repository. The message ends with a line that names the tree, so that a later
    run knows its own work from a person's, which is never dropped. Raises ServiceError.
    """
    root = repository_root(repository)
    base = resolve(root, base_ref)
    if try_git(root, "check-ref-format", "--branch", branch) is None:
        raise ServiceError(f"'{branch}' cannot be the name of a branch; choose another")
    tree = write_tree(root, base, files)
    message = f"{message.rstrip()}\n\n{_SIGN}{tree}"
    if tree == _tree(root, base):
        return base
    local = try_git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    tips = [
        tip.strip() for tip in (local or "", *_tracking_config(root, branch), *known) if tip.strip()
    ]
    commit = next((tip for tip in tips if _is_same_commit(root, tip, base, tree, message)), "")
    if commit != (local or "").strip():
        _check_not_checked_out(root, branch)
    if not commit:
        for tip in dict.fromkeys(tips):
            _check_ours(root, branch, tip, base)
        commit = write_commit(root, tree, [base], message, author=author)
    reason = "tidemill: commit files"
    git(root, "update-ref", "-m", reason, f"refs/heads/{branch}", commit, (local or "").strip())
    return commit


def commit_on_checkout(
    repository: Path, files: Mapping[Path, bytes | None], message: str
) -> str | None:
    """Write files of the working tree (None removes one), commit them and nothing else.

    Gives the commit; None where HEAD has these very bytes already. What else is staged stays
    staged. Killed anywhere and run again it ends in the same commit. Raises ServiceError with the
    way out.
    """
    if try_git(repository, "symbolic-ref", "--quiet", "HEAD") is None:
        raise ServiceError(
            "no branch is checked out (HEAD is detached); `git switch BRANCH`, or use --open-pr"
        )
    for path, content in files.items():
        _write(path, content)
    present = [str(path.resolve()) for path, content in files.items() if content is not None]
    gone = [str(path.resolve()) for path, content in files.items() if content is None]
    if present:
        git(repository, "add", "--force", "--", *present)
    if gone:
        git(repository, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", *gone)
    names = present + [path for path in gone if _differs(repository, path)]
    if not names or not _differs(repository, *names):
        return None
    git(repository, "commit", "--quiet", "--only", "-m", message, "--", *names)
    return git(repository, "rev-parse", "HEAD").decode().strip()


def push(
    repository: Path, branch: str, remote: str = "origin", *, force_with_lease: str | None = None
) -> str:
    """Push a branch; gives the commit it stands at.

    `force_with_lease` is the one commit on the remote that may be replaced; without it only a
    fast-forward is pushed. Raises ServiceError with the cause and the way out.
    """
    check_remote(repository, remote)
    ref = f"refs/heads/{branch}"
    sha = try_git(repository, "rev-parse", "--verify", "--quiet", ref)
    if sha is None:
        raise ServiceError(f"there is no branch '{branch}' here to push")
    lease = [f"--force-with-lease={ref}:{force_with_lease}"] if force_with_lease else []
    done = run(repository, "push", "--porcelain", *lease, remote, f"{ref}:{ref}")
    if done.returncode:
        cause = push_error((done.stderr + done.stdout).decode(errors="replace"))
        raise ServiceError(f"'{branch}' could not be pushed to {remote}: {cause}")
    return sha.strip()


def push_ref(
    repository: Path,
    remote: str,
    ref: str,
    write: Callable[[str | None], str | None],
    into: str = "",
) -> None:
    """Bring a ref from what it is on the remote to what `write` makes of it (a commit of one, None
    for no change); where another push came first, once more from the start."""
    check_remote(repository, remote)
    for _ in range(_PUSHES):
        old = fetch_ref(repository, remote, ref, into=into)
        new = write(old)
        if new is None:
            return
        lease = f"--force-with-lease={ref}:{old or ''}"
        done = run(repository, "push", "--porcelain", lease, remote, f"{new}:{ref}")
        if done.returncode == 0:
            return
        output = (done.stderr + done.stdout).decode(errors="replace")
        if not is_non_fast_forward(output):
            break
    raise ServiceError(f"{ref} could not be pushed to {remote}: {push_error(output)}")


def write_note(repository: Path, ref: str, commit: str, text: str) -> str:
    """Set the note of a commit under a notes ref here; gives the commit of that ref."""
    add = ("notes", f"--ref={ref}", "add", "--force", "--file=-", commit)
    git(repository, *add, stdin=text.encode(), environment=identity(repository))
    return git(repository, "rev-parse", ref).decode().strip()


def commit_files(
    repository: Path, files: Mapping[str, bytes | None], parent: str | None, message: str
) -> str | None:
    """A commit of exactly these files on top of `parent`; None where `parent` has the same."""
    tree = write_tree(repository, None, files)
    if parent and tree == git(repository, "rev-parse", f"{parent}^{{tree}}").decode().strip():
        return None
    return write_commit(repository, tree, [parent] if parent else [], message)


def remote_tip(repository: Path, remote: str, branch: str) -> str | None:
    """The commit of a branch on the remote now, fetched; None where there is no such branch."""
    # Into a ref of our own, because a clone of a single branch tracks no other. Its slashes are
    # quoted: `a` may be gone on the remote when `a/b` comes, and stays here.
    into = f"refs/tidemill/remote/{quote(remote, safe='')}/{quote(branch, safe='')}"
    return fetch_ref(repository, remote, f"refs/heads/{branch}", into=into)


def fetch_ref(repository: Path, remote: str, ref: str, *, into: str = "") -> str | None:
    """The commit of a ref on the remote now, fetched into a ref here (by default of the same name,
    whatever that was); None where the remote has none."""
    check_remote(repository, remote)
    if not query_remote(repository, remote, "ls-remote", "--refs", remote, ref).strip():
        return None
    query_remote(repository, remote, "fetch", *_QUIETLY, remote, f"+{ref}:{into or ref}")
    return git(repository, "rev-parse", "--verify", into or ref).decode().strip()


_QUIETLY = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")


def query_remote(repository: Path, remote: str, *arguments: str) -> str:
    """Output of a Git command that talks to a remote; raises ServiceError with the way out."""
    done = run(repository, *arguments)
    if done.returncode:
        raise ServiceError(
            f"{remote} could not be read: {push_error(done.stderr.decode(errors='replace'))}"
        )
    return done.stdout.decode(errors="replace")


def check_remote(repository: Path, remote: str) -> None:
    """Raises ServiceError where the repository has no such remote (an address needs none)."""
    if (
        "://" in remote
        or Path(remote).is_absolute()
        or try_git(repository, "remote", "get-url", remote)
    ):
        return
    names = ", ".join((try_git(repository, "remote") or "").split())
    raise ServiceError(
        f"there is no remote '{remote}'; set TIDEMILL_REMOTE to one of: {names}"
        if names
        else f"there is no remote '{remote}'; add one: git remote add {remote} ADDRESS"
    )


def current_branch(repository: Path) -> str:
    """The branch that is checked out; raises ServiceError where HEAD is detached."""
    current = try_git(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
    if current is None:
        raise ServiceError("no branch is checked out (HEAD is detached); run `git switch BRANCH`")
    return current.strip()


def resolve(repository: Path, ref: str) -> str:
    """The commit a ref stands for; raises ServiceError where it stands for none."""
    commit = try_git(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if commit:
        return commit.strip()
    shallow = (try_git(repository, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    way_out = (
        "this is a shallow clone; run `git fetch --unshallow` (fetch-depth: 0 in a GitHub workflow)"
        if shallow
        else "fetch it first, or name another"
    )
    raise ServiceError(f"'{ref}' is no commit here; {way_out}")


def changed_files(folder: Path, ref: str) -> list[str]:
    """Files below a folder that differ from where `ref` parted, new and uncommitted ones included;
    paths relative to the folder. Raises ServiceError."""
    base = resolve(folder, ref)
    fork = try_git(folder, "merge-base", base, "HEAD")
    if fork is None:
        raise ServiceError(
            f"'{ref}' and HEAD have no commit in common here; "
            "in a shallow clone run `git fetch --unshallow`"
        )
    tracked = git(folder, "diff", "--name-only", "-z", "--relative", "--no-renames", fork.strip())
    new = git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (tracked + new).decode().split("\0") if path})


def _tree(root: Path, commit: str) -> str:
    return git(root, "rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()


def _tracking_config(root: Path, branch: str) -> list[str]:
    tips = try_git(root, "for-each-ref", "--format=%(objectname)", f"refs/remotes/*/{branch}")
    return (tips or "").split()


def _is_same_commit(root: Path, tip: str, base: str, tree: str, message: str) -> bool:
    """True where the tip is the very commit that is asked for."""
    output = try_git(root, "log", "-1", "--no-show-signature", "--format=%P%n%T%n%B", tip)
    parents, _, rest = (output or "").partition("\n")
    found_tree, _, body = rest.partition("\n")
    return parents == base and found_tree == tree and body.strip() == message.strip()


def _check_ours(root: Path, branch: str, tip: str, base: str) -> None:
    """Raise where replacing this tip would drop more than the one commit of an earlier run."""
    commits = (try_git(root, "rev-list", "--abbrev-commit", tip, f"^{base}") or "").split()
    message = try_git(root, "log", "-1", "--no-show-signature", "--format=%B", tip) or ""
    if len(commits) > 1 or (commits and f"{_SIGN}{_tree(root, tip)}" not in message.splitlines()):
        raise ServiceError(
            f"'{branch}' holds commits of somebody else ({', '.join(commits)}); "
            "merge, rename or delete that branch, then run again"
        )


def _check_not_checked_out(root: Path, branch: str) -> None:
    """Raise where a working tree stands on the branch: its files would seem changed."""
    listed = try_git(root, "worktree", "list", "--porcelain") or ""
    if f"branch refs/heads/{branch}" in listed.splitlines():
        raise ServiceError(f"'{branch}' is checked out; run `git switch -` and try again")


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_bytes(content)
        fresh.replace(path)


def _differs(repository: Path, *names: str) -> bool:
    """True where the index has other bytes than HEAD at one of these paths."""
    return try_git(repository, "diff", "--cached", "--quiet", "HEAD", "--", *names) is None
