"""GitLab as its REST documentation describes it: merge requests, notes, commit statuses."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from tests.adapters.forges.places import sh
from tests.adapters.forges.server import Answer, Request, Route, Server

PROJECT = "/projects/(?:7|ada%2Fshop)"
WEB = "https://gitlab.example/ada/shop/-/merge_requests"
ME = 42


class GitLabServer(Server):
    """One project, number 7, `ada/shop`, whose branches are those of a bare repository."""

    prefix = "/api/v4"

    def __init__(self, bare: Path) -> None:
        self.bare = bare
        self.requests: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.keyset = False
        """Pages by link alone, as keyset pagination gives them."""
        super().__init__()

    def routes(self) -> list[Route]:
        request = rf"{PROJECT}/merge_requests/(\w+)"
        return [
            ("GET", "/user", lambda _: Answer(200, {"id": ME, "username": "tidemill"})),
            ("GET", f"{PROJECT}/merge_requests", self.list_requests),
            ("POST", f"{PROJECT}/merge_requests", self.open_request),
            ("GET", request, self.one_request),
            ("PUT", request, self.edit_request),
            ("GET", f"{request}/notes", self.list_notes),
            ("POST", f"{request}/notes", self.add_note),
            ("PUT", rf"{request}/notes/(\d+)", self.edit_note),
            ("GET", rf"{PROJECT}/repository/commits/(\w+)/statuses", self.list_statuses),
            ("POST", rf"{PROJECT}/statuses/(\w+)", self.add_status),
        ]

    def limited(self) -> Answer:
        """429 with the moment the window ends, and no `retry-after`, as gitlab.com answers."""
        headers = {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(time.time()) + 30)}
        return Answer(429, {"message": "429 Too Many Requests"}, headers)

    def forbid(self, request: Request) -> Answer:
        return Answer(403, {"message": "403 Forbidden"})

    def next_page(self, request: Request, page: int, more: bool) -> dict[str, str]:
        if self.keyset and more:
            query = "&".join(f"{k}={v}" for k, v in {**request.query, "page": page + 1}.items())
            return {"link": f'<{self.url}{request.path}?{query}>; rel="next"'}
        return (
            {}
            if self.keyset
            else {"x-next-page": str(page + 1) if more else "", "x-page": str(page)}
        )

    def list_requests(self, request: Request) -> Answer:
        state, branch = request.query.get("state", "all"), request.query.get("source_branch")
        if request.query.get("scope") != "all":
            return self.pages(request, [])
        found = [
            r
            for r in reversed(self.requests)
            if state in ("all", r["state"]) and branch in (None, r["source_branch"])
        ]
        return self.pages(request, found)

    def open_request(self, request: Request) -> Answer:
        body = request.body
        branch = body["source_branch"]
        if not sh(self.bare, "for-each-ref", f"refs/heads/{branch}"):
            return Answer(400, {"message": {"source_branch": ["does not exist"]}})
        if any(r["source_branch"] == branch and r["state"] == "opened" for r in self.requests):
            said = "Another open merge request already exists for this source branch: !1"
            return Answer(409, {"message": [said]})
        made = self.add_request(branch, body["target_branch"], body["title"], body["description"])
        return Answer(201, made)

    def add_request(
        self, branch: str, base: str, title: str, text: str, project: int = 7
    ) -> dict[str, Any]:
        number = len(self.requests) + 1
        made = {
            "iid": number,
            "source_project_id": project,
            "target_project_id": 7,
            "source_branch": branch,
            "target_branch": base,
            "title": title,
            "description": text,
            "state": "opened",
            "author": {"username": "tidemill"},
            "web_url": f"{WEB}/{number}",
            "sha": sh(self.bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}"),
            "merge_user": None,
            "merged_by": None,
            "merge_commit_sha": None,
            "squash_commit_sha": None,
        }
        self.requests.append(made)
        return made

    def one_request(self, request: Request, number: str) -> Answer:
        found = self.known(number)
        return Answer(200, found) if found else Answer(404, {"message": "404 Not found"})

    def edit_request(self, request: Request, number: str) -> Answer:
        found = self.known(number)
        assert found
        found.update(request.body)
        return Answer(200, found)

    def list_notes(self, request: Request, number: str) -> Answer:
        return self.pages(request, [n for n in self.notes if n["noteable_iid"] == int(number)])

    def add_note(self, request: Request, number: str) -> Answer:
        if len(request.body["body"]) > 1_000_000:
            return Answer(400, {"message": {"note": ["is too long"]}})
        return Answer(201, self.say(number, request.body["body"], ME))

    def say(self, number: str, body: str, author: int) -> dict[str, Any]:
        note = {
            "id": len(self.notes) + 300,
            "noteable_iid": int(number),
            "body": body.strip(),
            "author": {"id": author},
            "system": False,
        }
        self.notes.append(note)
        return note

    def edit_note(self, request: Request, number: str, identifier: str) -> Answer:
        note = self.notes[int(identifier) - 300]
        if note["author"]["id"] != ME:
            return Answer(403, {"message": "403 Forbidden"})
        note["body"] = request.body["body"].strip()
        return Answer(200, note)

    def list_statuses(self, request: Request, sha: str) -> Answer:
        return self.pages(request, [s for s in self.statuses if s["sha"] == sha])

    def add_status(self, request: Request, sha: str) -> Answer:
        body = request.body
        if subprocess.run(["git", "-C", str(self.bare), "cat-file", "-e", sha]).returncode:
            return Answer(404, {"message": "404 Commit Not Found"})
        old = next((s for s in self.statuses if (s["sha"], s["name"]) == (sha, body["name"])), None)
        if old and old["status"] == body["state"]:
            said = f"Cannot transition status via :enqueue from :{body['state']}"
            return Answer(400, {"message": said})
        new = {"sha": sha, "status": body["state"]} | {k: body[k] for k in ("name", "description")}
        self.statuses = [s for s in self.statuses if s is not old] + [new]
        return Answer(201, new)

    def known(self, number: str) -> dict[str, Any] | None:
        valid = number.isdigit() and 0 < int(number) <= len(self.requests)
        return self.requests[int(number) - 1] if valid else None
