"""GitHub as its REST documentation describes it: pulls, issue comments, commit statuses."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from tests.adapters.forges.places import sh
from tests.adapters.forges.server import Answer, Request, Route, Server

REPO = "/repos/ada/shop"


class GitHubServer(Server):
    """One repository, `ada/shop`, whose branches are those of a bare one."""

    def __init__(self, bare: Path) -> None:
        self.bare = bare
        self.pulls: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        super().__init__()

    def routes(self) -> list[Route]:
        return [
            ("GET", f"{REPO}/pulls", self.list_pulls),
            ("POST", f"{REPO}/pulls", self.open_pull),
            ("GET", rf"{REPO}/pulls/(\d+)", self.one_pull),
            ("PATCH", rf"{REPO}/pulls/(\d+)", self.edit_pull),
            ("GET", rf"{REPO}/issues/(\w+)/comments", self.list_comments),
            ("POST", rf"{REPO}/issues/(\w+)/comments", self.add_comment),
            ("PATCH", rf"{REPO}/issues/comments/(\d+)", self.edit_comment),
            ("GET", rf"{REPO}/commits/(\w+)/statuses", self.list_statuses),
            ("POST", rf"{REPO}/statuses/(\w+)", self.add_status),
        ]

    def limited(self) -> Answer:
        """The primary limit: 403, nothing remaining, and when there will be."""
        reset = str(int(time.time()) + 30)
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
        return Answer(403, {"message": "API rate limit exceeded for user ID 1."}, headers)

    def next_page(self, request: Request, page: int, more: bool) -> dict[str, str]:
        if not more:
            return {}
        query = "&".join(f"{k}={v}" for k, v in {**request.query, "page": page + 1}.items())
        url = f"{self.url}{request.path}?{query}"
        return {"link": f'<{self.url}>; rel="first", <{url}>; rel="next"'}

    def list_pulls(self, request: Request) -> Answer:
        state, head = request.query.get("state", "open"), request.query.get("head")
        found = [
            {k: v for k, v in pull.items() if k != "merged_by"}
            for pull in reversed(self.pulls)
            if state in ("all", pull["state"]) and head in (None, pull["head"]["label"])
        ]
        return self.pages(request, found)

    def open_pull(self, request: Request) -> Answer:
        branch, base = request.body["head"], request.body["base"]
        if self.head(branch) is None:
            return _invalid("PullRequest", field="head", code="invalid")
        if any(p["head"]["ref"] == branch and p["state"] == "open" for p in self.pulls):
            return _invalid(message=f"A pull request already exists for ada:{branch}.")
        if self.head(branch) == self.head(base):
            return _invalid(message=f"No commits between {base} and {branch}")
        return Answer(201, self.add_pull(branch, base, request.body["title"], request.body["body"]))

    def add_pull(self, branch: str, base: str, title: str, body: str, owner: str = "ada") -> Any:
        number = len(self.pulls) + 1
        pull = {
            "number": number,
            "state": "open",
            "title": title,
            "body": body,
            "user": {"login": "tidemill[bot]", "type": "Bot"},
            "html_url": f"https://github.com/ada/shop/pull/{number}",
            "head": {"ref": branch, "label": f"{owner}:{branch}"},
            "base": {"ref": base, "label": f"ada:{base}"},
            "merged_at": None,
            "merged_by": None,
            # GitHub fills this with a test merge while the pull request is open.
            "merge_commit_sha": "e" * 40,
        }
        self.pulls.append(pull)
        return pull

    def one_pull(self, request: Request, number: str) -> Answer:
        return Answer(200, self.pulls[int(number) - 1])

    def edit_pull(self, request: Request, number: str) -> Answer:
        pull = self.pulls[int(number) - 1]
        pull.update({k: request.body[k] for k in ("title", "body") if k in request.body})
        if "base" in request.body:
            pull["base"] = {"ref": request.body["base"], "label": f"ada:{request.body['base']}"}
        return Answer(200, pull)

    def list_comments(self, request: Request, number: str) -> Answer:
        if not self.known(number):
            return Answer(404, {"message": "Not Found"})
        return self.pages(request, [c for c in self.comments if c["issue"] == number])

    def add_comment(self, request: Request, number: str) -> Answer:
        if not self.known(number):
            return Answer(404, {"message": "Not Found"})
        if len(request.body["body"]) > 65_536:
            return _invalid(message="body is too long (maximum is 65536 characters)")
        return Answer(201, self.say(number, request.body["body"], "tidemill[bot]", "Bot"))

    def say(self, number: str, body: str, login: str, kind: str = "User") -> dict[str, Any]:
        identifier = len(self.comments) + 1
        association = "NONE" if login != "ada" else "OWNER"
        url = f"https://github.com/ada/shop/pull/{number}#issuecomment-{identifier}"
        comment = {
            "id": identifier,
            "issue": number,
            "body": body,
            "user": {"login": login, "type": kind},
            "author_association": association,
            "html_url": url,
        }
        self.comments.append(comment)
        return comment

    def edit_comment(self, request: Request, identifier: str) -> Answer:
        comment = self.comments[int(identifier) - 1]
        comment["body"] = request.body["body"]
        return Answer(200, comment)

    def list_statuses(self, request: Request, sha: str) -> Answer:
        return self.pages(request, [s for s in reversed(self.statuses) if s["sha"] == sha])

    def add_status(self, request: Request, sha: str) -> Answer:
        if subprocess.run(["git", "-C", str(self.bare), "cat-file", "-e", sha]).returncode:
            return _invalid(message=f"No commit found for SHA: {sha}")
        if len(request.body["description"]) > 140:
            return _invalid(message="description is too long (maximum is 140 characters)")
        self.statuses.append({**request.body, "sha": sha})
        return Answer(201, self.statuses[-1])

    def known(self, number: str) -> bool:
        return number.isdigit() and 0 < int(number) <= len(self.pulls)

    def head(self, branch: str) -> str | None:
        return (
            sh(self.bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") or None
        )


def _invalid(resource: str = "PullRequest", **error: str) -> Answer:
    errors = [{"resource": resource, **({"code": "custom"} | error)}]
    return Answer(422, {"message": "Validation Failed", "errors": errors})
