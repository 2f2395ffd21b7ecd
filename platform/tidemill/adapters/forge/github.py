"""GitHub: pull requests, their comments and commit statuses (REST API, version 2022-11-28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import quote

from tidemill.adapters.forge.api import Api, ForgeRefusal, TokenPermission
from tidemill.adapters.forge.detect import Address
from tidemill.adapters.forge.text import has_marker, one_line, truncate, with_marker
from tidemill.errors import ServiceError
from tidemill.ports import PullRequest
from tidemill.settings import ForgeHost

LIMIT = 65_536
"""Characters of a comment or a description; more is answered with 422."""
_STATUS_LIMIT = 140
_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_WRITE_PULLS = "`pull-requests: write`"


class GitHub:
    """One repository on github.com or on a GitHub Enterprise server."""

    def __init__(self, api: Api, repository: str) -> None:
        self.api, self.repository = api, repository
        self._repo = f"repos/{quote(repository)}"

    @classmethod
    def open(cls, host: ForgeHost, address: Address | None, **options: Any) -> Self:
        """From the settings, what is missing read off the remote; raises ServiceError."""
        repository = host.repository or (address.path if address else "")
        if repository.count("/") != 1:
            raise ServiceError(
                "it is not known which GitHub repository this is; set TIDEMILL_FORGE_REPOSITORY "
                "(or GITHUB_REPOSITORY) to OWNER/NAME"
            )
        if not host.token:
            raise ServiceError(
                "GITHUB_TOKEN (or TIDEMILL_FORGE_TOKEN) is not set; Tidemill needs a token with "
                "`pull-requests: write`, `statuses: write` and `contents: write` of "
                f"{repository} to comment and to open pull requests"
            )
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        url = host.url or _api(address)
        api = Api("GitHub", url, host.token.get_secret_value(), "GITHUB_TOKEN", headers, **options)
        return cls(api, repository)

    def comment(self, number: str, body: str, *, marker: str) -> str:
        """Write the one comment that carries `marker`, or replace it in place; gives its address.
        Raises ServiceError."""
        permission = TokenPermission(f"comment on pull request {number}", _WRITE_PULLS)
        path = f"{self._repo}/issues/{quote(number)}/comments"
        text = with_marker(body, marker, LIMIT)

        def find() -> Any | None:
            comments = self.api.list_all(path, permission)
            return next((c for c in comments if has_marker(c["body"], marker) and _ours(c)), None)

        comment = self.api.create(path, permission, {"body": text}, find)
        if comment["body"] != text:
            address = f"{self._repo}/issues/comments/{comment['id']}"
            comment = self.api.update("PATCH", address, permission, {"body": text})
        return str(comment["html_url"])

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request for a pushed branch, or bring the open one up to date."""
        permission = TokenPermission(
            f"open a pull request for '{branch}'",
            f"{_WRITE_PULLS}; for the token of a workflow also the repository's setting "
            "'Allow GitHub Actions to create and approve pull requests'",
        )
        desired = {"title": one_line(title, 256), "body": truncate(body, LIMIT), "base": base}

        def find() -> Any | None:
            return self._newest(branch, permission, "open")

        try:
            pull = self.api.create(
                f"{self._repo}/pulls", permission, {**desired, "head": branch}, find
            )
        except ForgeRefusal as refused:
            pull = find() if "already exists" in refused.forge_message else None
            if pull is None:
                raise
        if any(_value(pull, key) != value for key, value in desired.items()):
            path = f"{self._repo}/pulls/{pull['number']}"
            pull = self.api.update("PATCH", path, permission, desired)
        return _proposal(pull)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest pull request of a branch of this repository, forks left out."""
        permission = TokenPermission(
            f"look for a pull request of '{branch}'", "`pull-requests: read`"
        )
        newest = self._newest(branch, permission, "all")
        if newest is None:
            return None
        # Only the single pull request says who merged it.
        merged = newest.get("merged_at")
        path = f"{self._repo}/pulls/{newest['number']}"
        return _proposal(self.api.get(path, permission) if merged else newest)

    def set_commit_status(
        self, sha: str, state: Literal["pending", "success", "failure"], text: str, *, context: str
    ) -> None:
        """Set the status that people see beside a commit."""
        permission = TokenPermission(f"set a status of {sha[:12]}", "`statuses: write`")
        desired = {"state": state, "description": one_line(text, _STATUS_LIMIT), "context": context}

        def find() -> Any | None:
            # Statuses add up (1,000 at most for one context): the newest of each comes first.
            listed = self.api.list_all(f"{self._repo}/commits/{quote(sha)}/statuses", permission)
            newest: dict[str, object] = next((s for s in listed if s["context"] == context), {})
            return newest if newest.items() >= desired.items() else None

        self.api.create(f"{self._repo}/statuses/{quote(sha)}", permission, desired, find)

    def _newest(self, branch: str, permission: TokenPermission, state: str) -> Any | None:
        owner = self.repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "sort": "created", "direction": "desc"}
        pulls = self.api.list_all(f"{self._repo}/pulls", permission, state=state, **query)
        return next((pull for pull in pulls if pull["head"]["ref"] == branch), None)


def _api(address: Address | None) -> str:
    host = address.host if address else "github.com"
    return "https://api.github.com" if host.endswith("github.com") else f"https://{host}/api/v3"


def _ours(comment: Mapping[str, Any]) -> bool:
    """False for what a stranger wrote: who edits such a comment later would speak for us."""
    bot = comment["user"]["type"] == "Bot"
    return bot or comment.get("author_association") in _TRUSTED


def _value(pull: Mapping[str, Any], key: str) -> str:
    return str(pull["base"]["ref"] if key == "base" else pull[key] or "")


def _proposal(pull: Mapping[str, Any]) -> PullRequest:
    merged = bool(pull.get("merged_at"))
    return PullRequest(
        number=str(pull["number"]),
        branch=pull["head"]["ref"],
        base=pull["base"]["ref"],
        state="merged" if merged else "open" if pull["state"] == "open" else "closed",
        url=pull["html_url"],
        author=(pull.get("user") or {}).get("login", ""),
        merged_by=(pull.get("merged_by") or {}).get("login", "") if merged else "",
        merge_sha=pull.get("merge_commit_sha") or "" if merged else "",
    )
