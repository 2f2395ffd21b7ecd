"""Any Git remote as a forge: a proposal is a pushed branch and a ref of text beside it.

    git fetch origin 'refs/tidemill/proposals/*:refs/tidemill/proposals/*'
    git show refs/tidemill/proposals/tidemill%2Freply:body.md
    git log --notes=tidemill/status

Title, text and comments lie under `refs/tidemill/proposals/`, statuses are Git notes. Every change
is pushed against what it was read from, so that two at once both come through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tidemill.adapters.forge.merge_detection import find_merge_commit, is_ancestor, merge_base
from tidemill.adapters.forge.proposal_record import PullRequestRecord, read_record, ref_of
from tidemill.adapters.forge.text import one_line
from tidemill.adapters.git.branches import (
    commit_files,
    fetch_ref,
    push_ref,
    query_remote,
    remote_tip,
    resolve,
    write_note,
)
from tidemill.adapters.git.command import git, try_git
from tidemill.adapters.git.push_errors import redact_credentials
from tidemill.errors import ServiceError
from tidemill.ports import PullRequest

NOTES = "refs/notes/tidemill/status"


class PlainForge:
    """A remote of a repository; the number of a proposal is its branch."""

    def __init__(self, folder: Path, remote: str = "origin") -> None:
        self.folder, self.remote = folder, remote

    def comment(self, number: str, body: str, *, marker: str) -> str:
        """Write the one comment that carries `marker`, or replace it in place; gives its address.
        Raises ServiceError where the remote has no such branch."""
        address = ""

        def write(page: PullRequestRecord | None) -> PullRequestRecord:
            nonlocal address
            current = page or self._pushed_branch(number)
            if current is None:
                raise ServiceError(f"{self.remote} has no branch '{number}' to comment on; push it")
            changed, address = current.with_comment(body, marker)
            return changed

        self._update_record(number, write, "Comment")
        return f"{self._address()} {ref_of(number)}:{address}"

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a proposal for a pushed branch, or bring the open one up to date."""
        head, onto = self._tip(branch), self._tip(base)
        since = merge_base(self.folder, head, onto)
        if since is None:
            raise ServiceError(
                f"'{branch}' and '{base}' have no merge base; "
                "in a shallow clone run `git fetch --unshallow`"
            )
        if is_ancestor(self.folder, head, onto):
            raise ServiceError(f"'{base}' already contains '{branch}'; there is nothing to propose")
        pull_request = self.find_pull_request(branch)
        fresh = PullRequestRecord(
            one_line(title, 256), base, self._author("%an <%ae>", head), head, since, body
        )

        def write(page: PullRequestRecord | None) -> PullRequestRecord:
            if page is None or pull_request is None or pull_request.state != "open":
                return fresh
            return replace(page, title=fresh.title, base=base, head=head, body=body)

        self._update_record(branch, write, "Propose")
        return self._proposal(branch, fresh, head)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The proposal of a branch: what was written of it, or simply that it was pushed."""
        tip = remote_tip(self.folder, self.remote, branch)
        record_commit = fetch_ref(self.folder, self.remote, ref_of(branch))
        if record_commit is None:
            page = self._pushed_branch(branch)
            new = page and not is_ancestor(self.folder, page.head, self._tip(page.base))
            return self._proposal(branch, page, tip) if page and new else None
        return self._proposal(branch, read_record(self.folder, record_commit), tip)

    def set_commit_status(
        self, sha: str, state: Literal["pending", "success", "failure"], text: str, *, context: str
    ) -> None:
        """Set the status that people see beside a commit, as a line of its note."""
        commit = resolve(self.folder, sha)

        def write(_: str | None) -> str | None:
            notes = try_git(self.folder, "notes", f"--ref={NOTES}", "show", commit) or ""
            lines = dict(entry.split("\t", 1) for entry in notes.splitlines() if "\t" in entry)
            status = f"{state}\t{one_line(text, 255)}"
            if lines.get(context) == status:
                return None
            lines[context] = status
            note = "".join(f"{name}\t{rest}\n" for name, rest in sorted(lines.items()))
            return write_note(self.folder, NOTES, commit, note)

        push_ref(self.folder, self.remote, NOTES, write, into=NOTES)

    def _update_record(
        self,
        branch: str,
        change: Callable[[PullRequestRecord | None], PullRequestRecord],
        doing: str,
    ) -> None:
        def write(old: str | None) -> str | None:
            page = change(read_record(self.folder, old) if old else None)
            return commit_files(self.folder, page.files(), old, f"{doing}: {page.title}")

        push_ref(self.folder, self.remote, ref_of(branch), write)

    def _pushed_branch(self, branch: str) -> PullRequestRecord | None:
        """A pushed branch that nobody wrote about; None without one, or for the base itself."""
        tip = remote_tip(self.folder, self.remote, branch)
        head = query_remote(self.folder, self.remote, "ls-remote", "--symref", self.remote, "HEAD")
        base = head.partition("ref: refs/heads/")[2].partition("\t")[0]
        if tip is None or base in ("", branch):
            return None
        since = merge_base(self.folder, tip, self._tip(base)) or tip
        return PullRequestRecord(
            self._author("%s", tip), base, self._author("%an <%ae>", tip), tip, since
        )

    def _proposal(self, branch: str, page: PullRequestRecord, tip: str | None) -> PullRequest:
        head, onto = tip or page.head, self._tip(page.base)
        landed = find_merge_commit(self.folder, head, onto, page.base_sha)
        # Nothing tells who fast-forwarded a branch: its commits stay as they were.
        by = self._author("%cn <%ce>", landed) if landed and landed != head else ""
        return PullRequest(
            number=branch,
            branch=branch,
            base=page.base,
            state="merged" if landed else "open" if tip else "closed",
            url=f"{self._address()} {ref_of(branch)}",
            author=page.author,
            merged_by=by,
            merge_sha=landed or "",
        )

    def _tip(self, branch: str) -> str:
        tip = remote_tip(self.folder, self.remote, branch)
        if tip is None:
            raise ServiceError(f"{self.remote} has no branch '{branch}'; push it first")
        return tip

    def _author(self, what: str, commit: str) -> str:
        value = git(self.folder, "log", "-1", "--no-show-signature", f"--format={what}", commit)
        return value.decode(errors="replace").strip()

    def _address(self) -> str:
        url = try_git(self.folder, "remote", "get-url", self.remote) or self.remote
        return redact_credentials(url.strip())
