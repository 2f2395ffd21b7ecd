"""One suite for every forge: in memory, GitHub, GitLab, and any bare repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import SecretStr
from tests.adapters.forges.github_server import GitHubServer
from tests.adapters.forges.gitlab_server import GitLabServer
from tests.adapters.forges.places import clone, push_change, quiet, remote, sh, who
from tests.adapters.forges.server import TOKEN

from tidemill.adapters.forge import MemoryForge
from tidemill.adapters.forge.git_only import NOTES, PlainForge
from tidemill.adapters.forge.github import GitHub
from tidemill.adapters.forge.gitlab import GitLab
from tidemill.errors import ServiceError
from tidemill.ports import Forge
from tidemill.settings import ForgeHost

PLAN = "tidemill:plan"


class Stage(Protocol):
    """A forge and what a person does and sees there."""

    forge: Forge
    here: Path

    def comments(self, branch: str) -> list[str]: ...
    def text(self, branch: str) -> tuple[str, str, str]: ...
    def opened(self, branch: str) -> int: ...
    def merge(self, branch: str) -> str: ...
    def close(self, branch: str) -> None: ...
    def status(self, sha: str, context: str) -> tuple[str, str]: ...


class InMemory:
    def __init__(self, bare: Path, here: Path) -> None:
        self.here, self.forge = here, MemoryForge()

    def _page(self, branch: str):  # type: ignore[no-untyped-def]
        return [p for p in self.forge.pages.values() if p.pull_request.branch == branch][-1]

    def comments(self, branch: str) -> list[str]:
        return self._page(branch).comments

    def text(self, branch: str) -> tuple[str, str, str]:
        page = self._page(branch)
        return page.title, page.body, page.pull_request.base

    def opened(self, branch: str) -> int:
        return sum(p.pull_request.branch == branch for p in self.forge.pages.values())

    def merge(self, branch: str) -> str:
        sha = _merge(self.here, branch)
        self.forge.merge(self._page(branch).pull_request.number, "Grace <grace@example.org>", sha)
        return sha

    def close(self, branch: str) -> None:
        self.forge.close(self._page(branch).pull_request.number)

    def status(self, sha: str, context: str) -> tuple[str, str]:
        return self.forge.statuses[sha, context]


class OnGitHub:
    def __init__(self, bare: Path, here: Path) -> None:
        self.here, self.server = here, GitHubServer(bare)
        host = ForgeHost(url=self.server.url, repository="ada/shop", token=SecretStr(TOKEN))
        self.forge = GitHub.open(host, None, sleep=lambda _: None)

    def _pull(self, branch: str):  # type: ignore[no-untyped-def]
        return [p for p in self.server.pulls if p["head"]["label"] == f"ada:{branch}"][-1]

    def comments(self, branch: str) -> list[str]:
        number = str(self._pull(branch)["number"])
        return [c["body"] for c in self.server.comments if c["issue"] == number]

    def text(self, branch: str) -> tuple[str, str, str]:
        pull = self._pull(branch)
        return pull["title"], pull["body"], pull["base"]["ref"]

    def opened(self, branch: str) -> int:
        return sum(p["head"]["ref"] == branch for p in self.server.pulls)

    def merge(self, branch: str) -> str:
        sha = _merge(self.here, branch)
        merged = {"state": "closed", "merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": sha}
        self._pull(branch).update({**merged, "merged_by": {"login": "grace"}})
        return sha

    def close(self, branch: str) -> None:
        self._pull(branch)["state"] = "closed"

    def status(self, sha: str, context: str) -> tuple[str, str]:
        found = [s for s in self.server.statuses if (s["sha"], s["context"]) == (sha, context)][-1]
        return found["state"], found["description"]


class OnGitLab:
    def __init__(self, bare: Path, here: Path) -> None:
        self.here, self.server = here, GitLabServer(bare)
        host = ForgeHost(url=self.server.url, repository="ada/shop", token=SecretStr(TOKEN))
        self.forge = GitLab.open(host, None, sleep=lambda _: None)

    def _request(self, branch: str):  # type: ignore[no-untyped-def]
        return [r for r in self.server.requests if r["source_branch"] == branch][-1]

    def comments(self, branch: str) -> list[str]:
        number = self._request(branch)["iid"]
        return [n["body"] for n in self.server.notes if n["noteable_iid"] == number]

    def text(self, branch: str) -> tuple[str, str, str]:
        found = self._request(branch)
        return found["title"], found["description"], found["target_branch"]

    def opened(self, branch: str) -> int:
        return sum(r["source_branch"] == branch for r in self.server.requests)

    def merge(self, branch: str) -> str:
        sha = _merge(self.here, branch)
        by = {"username": "grace"}
        self._request(branch).update(state="merged", merge_commit_sha=sha, merge_user=by)
        return sha

    def close(self, branch: str) -> None:
        self._request(branch)["state"] = "closed"

    def status(self, sha: str, context: str) -> tuple[str, str]:
        found = [s for s in self.server.statuses if (s["sha"], s["name"]) == (sha, context)][-1]
        return found["status"].replace("failed", "failure"), found["description"]


class OnPlainGit:
    def __init__(self, bare: Path, here: Path) -> None:
        self.bare, self.here, self.forge = bare, here, PlainForge(here)

    def _ref(self, branch: str) -> str:
        return f"refs/tidemill/proposals/{branch.replace('/', '%2F')}"

    def comments(self, branch: str) -> list[str]:
        listed = sh(self.bare, "ls-tree", "--name-only", f"{self._ref(branch)}:comments").split()
        return [sh(self.bare, "show", f"{self._ref(branch)}:comments/{name}") for name in listed]

    def text(self, branch: str) -> tuple[str, str, str]:
        import json

        facts = json.loads(sh(self.bare, "show", f"{self._ref(branch)}:proposal.json"))
        body = sh(self.bare, "show", f"{self._ref(branch)}:body.md")
        return facts["title"], body, facts["base"]

    def opened(self, branch: str) -> int:
        log = sh(self.bare, "log", "--format=%s", self._ref(branch)).splitlines()
        return sum(subject.startswith("Propose") for subject in log)

    def merge(self, branch: str) -> str:
        return _merge(self.here, branch)

    def close(self, branch: str) -> None:
        sh(self.here, "push", "--quiet", "--delete", "origin", branch)

    def status(self, sha: str, context: str) -> tuple[str, str]:
        note = sh(self.bare, "notes", f"--ref={NOTES}", "show", sha)
        lines = dict(line.split("\t", 1) for line in note.splitlines())
        state, text = lines[context].split("\t")
        return state, text


def _merge(here: Path, branch: str) -> str:
    """Grace merges on main and pushes."""
    who(here, "Grace", "grace@example.org")
    sh(here, "merge", "--quiet", "--no-ff", "--no-edit", branch)
    sh(here, "push", "--quiet", "origin", "main")
    who(here)
    return sh(here, "rev-parse", "main")


@pytest.fixture(params=[InMemory, OnGitHub, OnGitLab, OnPlainGit])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    quiet(monkeypatch, tmp_path / "home")
    bare = remote(tmp_path)
    made = request.param(bare, clone(bare, tmp_path / "here"))
    push_change(made.here, "tidemill/k", "specs/shop/prompt.yaml", "name: reply\nk: 3\n")
    yield made
    if hasattr(made, "server"):
        made.server.close()


def test_a_proposal_is_open_and_says_who_proposes_what_to_where(stage: Stage) -> None:
    made = stage.forge.open_pull_request(
        "tidemill/k", "main", "Use three examples", "Better by 2 %."
    )

    assert (made.branch, made.base, made.state) == ("tidemill/k", "main", "open")
    assert made.author
    assert made.url
    assert (made.merged_by, made.merge_sha) == ("", "")
    assert stage.text("tidemill/k") == ("Use three examples", "Better by 2 %.", "main")
    assert stage.forge.find_pull_request("tidemill/k") == made


def test_proposing_again_brings_the_open_proposal_up_to_date(stage: Stage) -> None:
    first = stage.forge.open_pull_request(
        "tidemill/k", "main", "Use three examples", "Better by 2 %."
    )
    again = stage.forge.open_pull_request(
        "tidemill/k", "main", "Use four examples", "Better by 3 %."
    )

    assert again.number == first.number
    assert stage.text("tidemill/k") == ("Use four examples", "Better by 3 %.", "main")
    assert isinstance(stage, OnPlainGit) or stage.opened("tidemill/k") == 1


def test_a_branch_that_was_never_pushed_has_no_proposal(stage: Stage) -> None:
    assert stage.forge.find_pull_request("tidemill/other") is None


def test_a_comment_is_written_once_and_replaced_in_place(stage: Stage) -> None:
    number = stage.forge.open_pull_request("tidemill/k", "main", "T", "B").number

    first = stage.forge.comment(number, "## Plan\n1 change", marker=PLAN)
    again = stage.forge.comment(number, "## Plan\n2 changes", marker=PLAN)

    (comment,) = stage.comments("tidemill/k")
    assert again == first != ""
    assert comment == f"<!-- {PLAN} -->\n## Plan\n2 changes"


def test_comments_of_two_markers_stand_beside_each_other(stage: Stage) -> None:
    number = stage.forge.open_pull_request("tidemill/k", "main", "T", "B").number

    stage.forge.comment(number, "plan", marker=PLAN)
    stage.forge.comment(number, "cost", marker="tidemill:cost")
    stage.forge.comment(number, "plan 2", marker=PLAN)

    said = {comment.splitlines()[-1] for comment in stage.comments("tidemill/k")}
    assert said == {"plan 2", "cost"}


def test_a_comment_too_long_is_cut_with_a_note(stage: Stage) -> None:
    number = stage.forge.open_pull_request("tidemill/k", "main", "T", "B").number
    text = "<details><summary>rows</summary>\n\n" + "a row of the table\n" * 60_000 + "</details>\n"

    stage.forge.comment(number, text, marker=PLAN)
    stage.forge.comment(number, text, marker=PLAN)

    (comment,) = stage.comments("tidemill/k")
    assert "… cut: 1,140," in comment
    assert comment.count("<details>") == comment.count("</details>")


def test_a_comment_on_what_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(ServiceError, match="999"):
        stage.forge.comment("999", "plan", marker=PLAN)


def test_a_merged_proposal_says_who_merged_it_and_as_which_commit(stage: Stage) -> None:
    stage.forge.open_pull_request("tidemill/k", "main", "T", "B")
    sha = stage.merge("tidemill/k")

    found = stage.forge.find_pull_request("tidemill/k")

    assert found is not None
    assert (found.state, found.merge_sha) == ("merged", sha)
    assert "grace" in found.merged_by.lower()


def test_a_proposal_turned_down_is_closed(stage: Stage) -> None:
    stage.forge.open_pull_request("tidemill/k", "main", "T", "B")
    stage.close("tidemill/k")

    found = stage.forge.find_pull_request("tidemill/k")

    assert found is not None
    assert (found.state, found.merged_by, found.merge_sha) == ("closed", "", "")


def test_after_a_merge_the_same_branch_can_be_proposed_anew(stage: Stage) -> None:
    stage.forge.open_pull_request("tidemill/k", "main", "First", "B")
    stage.merge("tidemill/k")
    push_change(stage.here, "tidemill/k", "specs/shop/prompt.yaml", "name: reply\nk: 4\n")

    made = stage.forge.open_pull_request("tidemill/k", "main", "Second", "B")

    assert made.state == "open"
    assert stage.text("tidemill/k")[0] == "Second"
    assert stage.opened("tidemill/k") == 2


def test_a_status_is_set_and_changed(stage: Stage) -> None:
    sha = sh(stage.here, "rev-parse", "main")

    stage.forge.set_commit_status(sha, "pending", "planning", context="tidemill/plan")
    stage.forge.set_commit_status(sha, "success", "other", context="tidemill/sync")
    stage.forge.set_commit_status(
        sha, "failure", "over\nbudget " + "x" * 400, context="tidemill/plan"
    )
    stage.forge.set_commit_status(
        sha, "failure", "over\nbudget " + "x" * 400, context="tidemill/plan"
    )

    state, text = stage.status(sha, "tidemill/plan")
    assert state == "failure"
    assert text.startswith("over")
    assert stage.status(sha, "tidemill/sync") == ("success", "other")
