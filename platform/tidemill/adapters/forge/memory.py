"""A forge in memory: what tests and a look around use in place of GitHub or GitLab."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from tidemill.adapters.forge.text import has_marker, with_marker
from tidemill.errors import ServiceError
from tidemill.ports import PullRequest

LIMIT = 65_536
"""Characters of a comment, as on GitHub."""


@dataclass
class MemoryPullRequest:
    """A pull request with its texts and comments."""

    pull_request: PullRequest
    title: str
    body: str
    comments: list[str] = field(default_factory=list)


class MemoryForge:
    """Proposals, comments and statuses for as long as the object lives."""

    def __init__(self, author: str = "tidemill") -> None:
        self.author = author
        self.pages: dict[str, MemoryPullRequest] = {}
        """Every proposal ever opened, by number, oldest first."""
        self.statuses: dict[tuple[str, str], tuple[str, str]] = {}
        """(commit, context) → (state, text)."""

    def comment(self, number: str, body: str, *, marker: str) -> str:
        """Write the one comment that carries `marker`, or replace it in place; gives its address.
        Raises ServiceError where there is no such proposal."""
        comments = self._page(number).comments
        text = with_marker(body, marker, LIMIT)
        for index, old in enumerate(comments):
            if has_marker(old, marker):
                comments[index] = text
                return f"memory:{number}#{index + 1}"
        comments.append(text)
        return f"memory:{number}#{len(comments)}"

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a proposal for a branch, or bring the open one up to date."""
        open_one = self.find_pull_request(branch)
        if open_one is None or open_one.state != "open":
            number = str(len(self.pages) + 1)
            url = f"memory:{number}"
            open_one = PullRequest(number, branch, base, "open", url=url, author=self.author)
            self.pages[number] = MemoryPullRequest(open_one, title, body)
        page = self.pages[open_one.number]
        page.title, page.body = title, body
        page.pull_request = replace(open_one, base=base)
        return page.pull_request

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest proposal of a branch."""
        of_branch = [p.pull_request for p in self.pages.values() if p.pull_request.branch == branch]
        return of_branch[-1] if of_branch else None

    def set_commit_status(
        self, sha: str, state: Literal["pending", "success", "failure"], text: str, *, context: str
    ) -> None:
        """Set the status that people see beside a commit."""
        self.statuses[sha, context] = (state, text)

    def merge(self, number: str, by: str, sha: str) -> PullRequest:
        """Do what a person does with the green button."""
        page = self._page(number)
        page.pull_request = replace(page.pull_request, state="merged", merged_by=by, merge_sha=sha)
        return page.pull_request

    def close(self, number: str) -> PullRequest:
        """Turn a proposal down."""
        page = self._page(number)
        page.pull_request = replace(page.pull_request, state="closed")
        return page.pull_request

    def _page(self, number: str) -> MemoryPullRequest:
        if number not in self.pages:
            raise ServiceError(f"pull request '{number}' does not exist")
        return self.pages[number]
