"""GitLab: merge requests, their notes and commit statuses (REST API v4)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self
from urllib.parse import quote

from tidemill.adapters.forge.api import Api, ForgeRefusal, TokenPermission
from tidemill.adapters.forge.detect import Address
from tidemill.adapters.forge.text import has_marker, one_line, truncate, with_marker
from tidemill.errors import ServiceError
from tidemill.ports import PullRequest
from tidemill.settings import ForgeHost

LIMIT = 1_000_000
"""Characters of a note or a description."""
_STATUS_LIMIT = 255
_STATES: dict[str, Literal["open", "merged", "closed"]] = {
    "opened": "open",
    "locked": "open",  # only while it is being merged
    "merged": "merged",
}
_REPORTED = {"failure": "failed"}
_DEVELOPER = "the scope `api` and the role Developer"


class GitLab:
    """One project on gitlab.com or on a server of one's own."""

    def __init__(self, api: Api, project: str) -> None:
        self.api, self.project = api, project
        self._path = f"projects/{quote(project, safe='')}"

    @classmethod
    def open(cls, host: ForgeHost, address: Address | None, **options: Any) -> Self:
        """From the settings, what is missing read off the remote; raises ServiceError."""
        project = host.repository or (address.path if address else "")
        if not project:
            raise ServiceError(
                "it is not known which GitLab project this is; set TIDEMILL_FORGE_REPOSITORY "
                "(or CI_PROJECT_ID) to its number or its path"
            )
        if not host.token:
            raise ServiceError(
                "GITLAB_TOKEN (or TIDEMILL_FORGE_TOKEN) is not set; Tidemill needs a project "
                f"access token of {project} with {_DEVELOPER} (a job's own token may not comment)"
            )
        url = host.url or f"https://{address.host if address else 'gitlab.com'}/api/v4"
        return cls(
            Api("GitLab", url, host.token.get_secret_value(), "GITLAB_TOKEN", **options), project
        )

    def comment(self, number: str, body: str, *, marker: str) -> str:
        """Write the one note that carries `marker`, or replace it in place; gives its address.
        Raises ServiceError."""
        permission = TokenPermission(f"comment on merge request {number}", _DEVELOPER)
        request = f"{self._path}/merge_requests/{quote(number)}"
        text = with_marker(body, marker, LIMIT)
        address = self.api.get(request, permission)["web_url"]

        def find() -> Any | None:
            notes = self.api.list_all(
                f"{request}/notes", permission, sort="asc", order_by="created_at"
            )
            ours = (n for n in notes if n["author"]["id"] == self._me and not n.get("system"))
            return next((note for note in ours if has_marker(note["body"], marker)), None)

        note = self.api.create(f"{request}/notes", permission, {"body": text}, find)
        # What GitLab keeps has no white space around it.
        if note["body"].strip() != text.strip():
            self.api.update("PUT", f"{request}/notes/{note['id']}", permission, {"body": text})
        return f"{address}#note_{note['id']}"

    def open_pull_request(self, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a merge request for a pushed branch, or bring the open one up to date."""
        permission = TokenPermission(f"open a merge request for '{branch}'", _DEVELOPER)
        desired = {
            "title": one_line(title, 255),
            "description": truncate(body, LIMIT),
            "target_branch": base,
        }

        def find() -> Any | None:
            return self._newest(branch, permission, "opened")

        try:
            request = self.api.create(
                f"{self._path}/merge_requests",
                permission,
                {**desired, "source_branch": branch},
                find,
            )
        except ForgeRefusal as refused:
            request = find() if refused.status == 409 else None
            if request is None:
                raise
        if any((request[key] or "") != value for key, value in desired.items()):
            path = f"{self._path}/merge_requests/{request['iid']}"
            request = self.api.update("PUT", path, permission, desired)
        return _proposal(request)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest merge request of a branch of this project, forks left out."""
        permission = TokenPermission(
            f"look for a merge request of '{branch}'", "the scope `read_api`"
        )
        newest = self._newest(branch, permission, "all")
        return _proposal(newest) if newest else None

    def set_commit_status(
        self, sha: str, state: Literal["pending", "success", "failure"], text: str, *, context: str
    ) -> None:
        """Set the status that people see beside a commit."""
        permission = TokenPermission(f"set a status of {sha[:12]}", _DEVELOPER)
        desired = {"description": one_line(text, _STATUS_LIMIT), "name": context}
        status = _REPORTED.get(state, state)

        def find() -> Any | None:
            listed = f"{self._path}/repository/commits/{quote(sha)}/statuses"
            expected = {**desired, "status": status}
            return next(
                (s for s in self.api.list_all(listed, permission) if s.items() >= expected.items()),
                None,
            )

        body = {**desired, "state": status}
        try:
            self.api.create(f"{self._path}/statuses/{quote(sha)}", permission, body, find)
        except ForgeRefusal as refused:
            # It stands at that state already and GitLab keeps the former words (gitlab-foss#25807).
            if "cannot transition status" not in refused.forge_message.lower():
                raise

    @cached_property
    def _me(self) -> int:
        """Whose token it is: only our own note is replaced, whoever else copies its marker."""
        return int(
            self.api.get("user", TokenPermission("say whose it is", "the scope `api`"))["id"]
        )

    def _newest(self, branch: str, permission: TokenPermission, state: str) -> Any | None:
        query = {"scope": "all", "order_by": "created_at", "sort": "desc", "source_branch": branch}
        requests = self.api.list_all(
            f"{self._path}/merge_requests", permission, state=state, **query
        )
        return next((r for r in requests if r["source_project_id"] == r["target_project_id"]), None)


def _proposal(request: Mapping[str, Any]) -> PullRequest:
    merged = request["state"] == "merged"
    # `merge_user` since 14.7; a fast-forward makes no commit of its own.
    by = request.get("merge_user") or request.get("merged_by") or {}
    commits = ("merge_commit_sha", "squash_commit_sha", "sha")
    return PullRequest(
        number=str(request["iid"]),
        branch=request["source_branch"],
        base=request["target_branch"],
        state=_STATES.get(request["state"], "closed"),
        url=request["web_url"],
        author=(request.get("author") or {}).get("username", ""),
        merged_by=by.get("username", "") if merged else "",
        merge_sha=next((request[c] for c in commits if request.get(c)), "") if merged else "",
    )
