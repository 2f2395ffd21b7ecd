"""What forges do when things go wrong: limits, failures, lost answers, refusals, strangers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.adapters.forges.github_server import GitHubServer
from tests.adapters.forges.gitlab_server import ME, GitLabServer
from tests.adapters.forges.places import (
    clone,
    commit,
    push_change,
    quiet,
    remote,
    sh,
    who,
    write,
)
from tests.adapters.forges.server import TOKEN, Answer, Fault

from tidemill.adapters.forge import open_forge, proposal_number
from tidemill.adapters.forge.api import UnknownOutcome
from tidemill.adapters.forge.detect import Address, parse
from tidemill.adapters.forge.git_only import PlainForge
from tidemill.adapters.forge.github import GitHub
from tidemill.adapters.forge.gitlab import GitLab
from tidemill.adapters.forge.retry_policy import is_rate_limited, rate_limit_wait, server_error_wait
from tidemill.adapters.forge.text import one_line, truncate, with_marker
from tidemill.adapters.git import branches
from tidemill.errors import ServiceError, SettingsError
from tidemill.settings import CiJob, ForgeHost, ForgeSettings, Settings

PLAN = "tidemill:plan"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Hosted:
    """A hosted forge, its server and what it slept."""

    def __init__(self, bare: Path, kind: str) -> None:
        self.slept: list[float] = []
        self.wake: Callable[[], None] = lambda: None
        if kind == "github":
            self.server: Any = GitHubServer(bare)
            self.forge: Any = GitHub.open(self.host(), None, sleep=self.sleep)
        else:
            self.server = GitLabServer(bare)
            self.forge = GitLab.open(self.host(), None, sleep=self.sleep)

    def host(self, token: str = TOKEN) -> ForgeHost:
        return ForgeHost(url=self.server.url, repository="ada/shop", token=SecretStr(token))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wake()

    @property
    def kept(self) -> list[Any]:
        """Comments on the server."""
        return self.server.comments if hasattr(self.server, "comments") else self.server.notes

    @property
    def proposals(self) -> list[Any]:
        return self.server.pulls if hasattr(self.server, "pulls") else self.server.requests


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet(monkeypatch, tmp_path / "home")
    return remote(tmp_path)


@pytest.fixture
def here(bare: Path, tmp_path: Path) -> Path:
    made = clone(bare, tmp_path / "here")
    push_change(made, "tidemill/k", "specs/shop/prompt.yaml", "name: reply\nk: 3\n")
    return made


@pytest.fixture(params=["github", "gitlab"])
def hosted(request: pytest.FixtureRequest, bare: Path, here: Path) -> Iterator[Hosted]:
    made = Hosted(bare, request.param)
    yield made
    made.server.close()


@pytest.fixture
def github(bare: Path, here: Path) -> Iterator[Hosted]:
    made = Hosted(bare, "github")
    yield made
    made.server.close()


@pytest.fixture
def gitlab(bare: Path, here: Path) -> Iterator[Hosted]:
    made = Hosted(bare, "gitlab")
    yield made
    made.server.close()


def propose(hosted: Hosted) -> str:
    return str(hosted.forge.open_pull_request("tidemill/k", "main", "T", "B").number)


# Rate limits


def test_a_spent_rate_limit_is_waited_for_until_its_window_ends(hosted: Hosted) -> None:
    hosted.server.budget, hosted.wake = 0, hosted.server.allow

    number = propose(hosted)

    assert number == "1"
    (slept,) = hosted.slept
    assert 25 < slept < 35


def test_a_rate_limit_that_does_not_end_is_given_up_and_nothing_was_sent(hosted: Hosted) -> None:
    hosted.server.budget = 0

    with pytest.raises(ServiceError, match="rate limit is exhausted for"):
        propose(hosted)
    assert sum(hosted.slept) <= 900
    assert hosted.proposals == []


def test_a_secondary_limit_waits_as_it_is_asked_or_a_minute_and_longer(github: Hosted) -> None:
    said = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
    number = propose(github)
    github.server.faults = [
        Fault("POST", Answer(403, said, {"retry-after": "7"})),
        Fault("POST", Answer(403, said)),
        Fault("POST", Answer(429, said)),
    ]

    github.forge.comment(number, "plan", marker=PLAN)

    assert github.slept == [7, 120, 240]
    assert len(github.kept) == 1


def test_a_refusal_without_a_limit_is_not_waited_for(github: Hosted) -> None:
    github.server.forbidden = {"POST"}

    with pytest.raises(ServiceError):
        propose(github)
    assert github.slept == []


@pytest.mark.parametrize(
    ("headers", "attempt", "seconds"),
    [
        ({"retry-after": "9", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 3, 9),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:20 GMT"}, 0, 20),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0, 0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:20 -0000"}, 0, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW.timestamp():.0f}"}, 0, 1),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW.timestamp() + 50:.0f}"}, 0, 51),
        ({"ratelimit-reset": f"{NOW.timestamp() + 50:.0f}"}, 0, 51),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "99999999999"}, 2, 240),
        ({"retry-after": "soon"}, 1, 120),
    ],
)
def test_how_long_a_limit_lasts(headers: dict[str, str], attempt: int, seconds: float) -> None:
    assert rate_limit_wait(headers, attempt, NOW) == pytest.approx(seconds)


def test_a_server_that_is_not_well_is_left_ever_longer_in_peace_or_as_it_asks() -> None:
    assert [server_error_wait({}, attempt, NOW) for attempt in range(4)] == [1, 2, 4, 8]
    assert server_error_wait({"retry-after": "30"}, 0, NOW) == 30


@given(
    status=st.sampled_from([200, 201, 401, 404, 422, 500, 503]),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining"]), st.just("0")
    ),
    text=st.text(),
)
def test_only_403_and_429_are_ever_rate_limits(
    status: int, headers: dict[str, str], text: str
) -> None:
    assert not is_rate_limited(status, headers, text)
    assert is_rate_limited(429, headers, text)


# Failures of the server and of the connection


@pytest.mark.parametrize("answer", [None, Answer(502, "<html>bad gateway"), Answer(503, "busy")])
def test_a_server_that_is_not_well_for_a_while_is_asked_again(
    hosted: Hosted, answer: Answer | None
) -> None:
    hosted.server.faults = [Fault("GET", answer), Fault("GET", answer), Fault("POST", answer)]

    assert propose(hosted) == "1"
    assert hosted.slept == [1, 2, 1]
    assert len(hosted.proposals) == 1


def test_a_server_that_stays_unwell_is_given_up_after_five_tries(hosted: Hosted) -> None:
    hosted.server.faults = [Fault("GET", Answer(500, {"message": "boom"})) for _ in range(9)]

    with pytest.raises(ServiceError, match=r"returned HTTP 500; try again later"):
        hosted.forge.find_pull_request("tidemill/k")
    assert hosted.slept == [1, 2, 4, 8]
    assert len(hosted.server.seen) == 5


def test_a_server_that_never_answers_a_creation_is_given_up(hosted: Hosted) -> None:
    hosted.server.faults = [Fault("POST") for _ in range(9)]

    with pytest.raises(UnknownOutcome, match="did not answer 5 times"):
        propose(hosted)
    assert hosted.proposals == []


def test_nobody_listening_is_a_message_with_the_address(hosted: Hosted) -> None:
    hosted.server.close()

    with pytest.raises(ServiceError, match="does not answer"):
        hosted.forge.find_pull_request("tidemill/k")


@pytest.mark.parametrize("answer", [None, Answer(504, "timeout")])
def test_a_proposal_whose_answer_was_lost_is_not_opened_twice(
    hosted: Hosted, answer: Answer | None
) -> None:
    hosted.server.faults = [Fault("POST", answer, after=True)]

    assert propose(hosted) == "1"
    assert len(hosted.proposals) == 1
    assert hosted.server.count("POST") == 1


@pytest.mark.parametrize("answer", [None, Answer(504, "timeout")])
def test_a_comment_whose_answer_was_lost_is_not_written_twice(
    hosted: Hosted, answer: Answer | None
) -> None:
    number = propose(hosted)
    hosted.server.faults = [Fault("POST", answer, after=True)]

    hosted.forge.comment(number, "plan", marker=PLAN)

    assert len(hosted.kept) == 1


def test_killed_between_creating_and_answering_the_next_run_finds_the_one_proposal(
    hosted: Hosted,
) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    hosted.server.faults, hosted.wake = [Fault("POST", None, after=True)], killed
    with pytest.raises(KeyboardInterrupt):
        propose(hosted)
    hosted.wake = lambda: None

    assert propose(hosted) == "1"
    assert len(hosted.proposals) == 1


def test_a_proposal_that_another_run_opened_in_between_is_taken_over(hosted: Hosted) -> None:
    number = propose(hosted)
    newest, calls = hosted.forge._newest, []

    def first_unseen(*arguments: Any) -> Any:
        calls.append(arguments)
        return None if len(calls) == 1 else newest(*arguments)

    hosted.forge._newest = first_unseen

    assert hosted.forge.open_pull_request("tidemill/k", "main", "T2", "B2").number == number
    assert [p["title"] for p in hosted.proposals] == ["T2"]


def test_a_server_that_speaks_no_json_is_not_the_api(hosted: Hosted) -> None:
    hosted.server.faults = [Fault("GET", Answer(200, "<html>welcome"))]

    with pytest.raises(ServiceError, match="is TIDEMILL_FORGE_URL the address of its API"):
        hosted.forge.find_pull_request("tidemill/k")


def test_an_answer_that_is_no_list_is_not_the_api_either(hosted: Hosted) -> None:
    hosted.server.faults = [Fault("GET", Answer(200, {"welcome": True}))]

    with pytest.raises(ServiceError, match=r"does not answer as .* does \(no list\)"):
        hosted.forge.find_pull_request("tidemill/k")


@pytest.mark.parametrize("token", ["two\nlines", "g\u00e9heim", "tab\there"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ServiceError, match="contains invalid characters") as caught:
        GitHub.open(
            ForgeHost(url="https://api.example", repository="ada/shop", token=SecretStr(token)),
            None,
        )
    assert token not in str(caught.value)


def test_an_address_without_a_scheme_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ServiceError, match="write it with https://"):
        GitLab.open(
            ForgeHost(url="gitlab.example/api/v4", repository="7", token=SecretStr("t")), None
        )


def test_whoever_waits_for_a_limit_is_told_so(
    hosted: Hosted, caplog: pytest.LogCaptureFixture
) -> None:
    hosted.server.budget, hosted.wake = 0, hosted.server.allow

    propose(hosted)

    assert "rate limit; waiting" in caplog.text


def test_a_repository_that_moved_is_followed_for_a_look_and_named_for_a_write(
    github: Hosted,
) -> None:
    there = {"location": f"{github.server.url}/repos/ada/shop/pulls?state=all"}
    github.server.faults = [
        Fault("GET", Answer(301, {}, there)),
        Fault("POST", Answer(301, {}, there)),
    ]

    assert github.forge.find_pull_request("tidemill/k") is None
    with pytest.raises(ServiceError, match="the repository has moved to"):
        propose(github)


# Pages


def test_our_comment_is_found_on_the_third_page(hosted: Hosted) -> None:
    number = propose(hosted)
    stranger = ("grace",) if hasattr(hosted.server, "comments") else (7,)
    for index in range(230):
        hosted.server.say(number, f"remark {index}", *stranger)
    first = hosted.forge.comment(number, "plan", marker=PLAN)
    hosted.server.seen.clear()

    again = hosted.forge.comment(number, "plan 2", marker=PLAN)

    assert again == first
    assert len(hosted.kept) == 231
    pages = [r for r in hosted.server.seen if r.method == "GET" and "page" in r.query]
    assert [r.query["page"] for r in pages] == ["2", "3"]


def test_keyset_pages_are_followed_by_their_links(gitlab: Hosted) -> None:
    number = propose(gitlab)
    gitlab.server.keyset = True
    for index in range(230):
        gitlab.server.say(number, f"remark {index}", 7)
    gitlab.forge.comment(number, "plan", marker=PLAN)
    gitlab.forge.comment(number, "plan 2", marker=PLAN)

    assert len(gitlab.kept) == 231


def test_a_next_page_on_another_host_never_gets_the_token(github: Hosted) -> None:
    evil = Answer(200, [], {"link": '<http://evil.example/steal?page=2>; rel="next"'})
    github.server.faults = [Fault("GET", evil)]

    with pytest.raises(ServiceError, match=r"on another host: evil\.example"):
        github.forge.find_pull_request("tidemill/k")


# Permissions


@pytest.mark.parametrize(
    ("kind", "variable"), [("github", "GITHUB_TOKEN"), ("gitlab", "GITLAB_TOKEN")]
)
def test_a_wrong_token_is_named_by_its_variable_and_never_shown(
    bare: Path, here: Path, kind: str, variable: str
) -> None:
    hosted = Hosted(bare, kind)
    opened = {"github": GitHub, "gitlab": GitLab}[kind].open(hosted.host("s3cret"), None)

    with pytest.raises(ServiceError, match=f"rejected the token in {variable}") as caught:
        opened.find_pull_request("tidemill/k")
    hosted.server.close()
    assert "s3cret" not in str(caught.value) + repr(opened.api)


@pytest.mark.parametrize(
    ("kind", "needs"),
    [("github", "`pull-requests: write`"), ("gitlab", "the scope `api` and the role Developer")],
)
def test_a_token_that_may_not_is_told_what_it_lacks(
    bare: Path, here: Path, kind: str, needs: str
) -> None:
    hosted = Hosted(bare, kind)
    number = propose(hosted)
    hosted.server.forbidden = {"POST"}

    with pytest.raises(ServiceError, match=f"comment on .*{number} .*it needs {needs}"):
        hosted.forge.comment(number, "plan", marker=PLAN)
    with pytest.raises(ServiceError, match="set a status of"):
        hosted.forge.set_commit_status(
            sh(here, "rev-parse", "main"), "success", "x", context="tidemill"
        )
    hosted.server.close()


def test_what_is_hidden_from_the_token_may_also_be_missing(hosted: Hosted) -> None:
    with pytest.raises(ServiceError, match="hides what a token may not see: check the name"):
        hosted.forge.comment("77", "plan", marker=PLAN)


def test_the_forges_own_words_are_passed_on(github: Hosted, here: Path) -> None:
    sh(here, "push", "--quiet", "origin", "main:refs/heads/empty")

    with pytest.raises(ServiceError, match=r"No commits between main and empty \(HTTP 422\)"):
        github.forge.open_pull_request("empty", "main", "T", "B")
    with pytest.raises(ServiceError, match="refused to open a pull request for 'gone'"):
        github.forge.open_pull_request("gone", "main", "T", "B")


def test_gitlab_says_when_a_branch_is_missing(gitlab: Hosted) -> None:
    with pytest.raises(ServiceError, match="source_branch"):
        gitlab.forge.open_pull_request("gone", "main", "T", "B")


# Strangers


def test_a_stranger_who_copies_the_marker_does_not_get_to_speak_for_us(hosted: Hosted) -> None:
    number = propose(hosted)
    stranger = "mallory" if hasattr(hosted.server, "comments") else 666
    hosted.server.say(number, f"<!-- {PLAN} -->\nall is well", stranger)

    hosted.forge.comment(number, "3 changes", marker=PLAN)

    bodies = [comment["body"] for comment in hosted.kept]
    assert bodies == [f"<!-- {PLAN} -->\nall is well", f"<!-- {PLAN} -->\n3 changes"]


def test_a_comment_that_quotes_the_marker_is_left_alone(hosted: Hosted) -> None:
    number = propose(hosted)
    us = ("ada",) if hasattr(hosted.server, "comments") else (ME,)
    hosted.server.say(number, f"as <!-- {PLAN} --> says", *us)

    hosted.forge.comment(number, "3 changes", marker=PLAN)

    assert len(hosted.kept) == 2


def test_a_forks_branch_of_the_same_name_is_not_ours(hosted: Hosted) -> None:
    if hasattr(hosted.server, "pulls"):
        hosted.server.add_pull("tidemill/k", "main", "Theirs", "B", owner="mallory")
        hosted.server.pulls[0]["state"] = "closed"  # one open head of a name is the server's rule
        hosted.server.pulls[0]["merged_at"] = "2026-01-01T00:00:00Z"
    else:
        hosted.server.add_request("tidemill/k", "main", "Theirs", "B", project=666)

    assert hosted.forge.find_pull_request("tidemill/k") is None


def test_an_unchanged_comment_and_proposal_are_not_written_again(hosted: Hosted) -> None:
    number = propose(hosted)
    hosted.forge.comment(number, "plan\n", marker=PLAN)
    hosted.server.seen.clear()

    propose(hosted)
    hosted.forge.comment(number, "plan\n", marker=PLAN)

    assert {request.method for request in hosted.server.seen} == {"GET"}


def test_the_same_status_is_reported_once(hosted: Hosted, here: Path) -> None:
    sha = sh(here, "rev-parse", "main")

    for _ in range(3):
        hosted.forge.set_commit_status(sha, "failure", "unsigned", context="tidemill/sync")

    assert len(hosted.server.statuses) == 1
    assert hosted.server.count("POST") == 1


def test_gitlab_keeping_a_states_former_words_is_no_error(gitlab: Hosted, here: Path) -> None:
    sha = sh(here, "rev-parse", "main")

    gitlab.forge.set_commit_status(sha, "failure", "unsigned", context="tidemill/sync")
    gitlab.forge.set_commit_status(
        sha, "failure", "signed by nobody we know", context="tidemill/sync"
    )

    assert [s["description"] for s in gitlab.server.statuses] == ["unsigned"]


def test_a_status_of_an_unknown_commit_is_refused(hosted: Hosted) -> None:
    with pytest.raises(ServiceError, match="set a status of 000000000000"):
        hosted.forge.set_commit_status("0" * 40, "success", "x", context="tidemill")


# The plain remote


@pytest.mark.parametrize("how", ["fast-forward", "squash", "rebase", "squash then edited"])
def test_however_it_was_merged_a_plain_proposal_is_merged(here: Path, how: str) -> None:
    sh(here, "checkout", "--quiet", "tidemill/k")
    write(here, "specs/shop/more.yaml", "name: more\n")
    commit(here, "More")
    sh(here, "push", "--quiet", "origin", "tidemill/k")
    sh(here, "checkout", "--quiet", "main")
    if how != "fast-forward":
        write(here, "LICENSE", "a neighbour's commit\n")
        commit(here, "Neighbour")
        sh(here, "push", "--quiet", "origin", "main")
    forge = PlainForge(here)
    forge.open_pull_request("tidemill/k", "main", "T", "B")
    who(here, "Grace", "grace@example.org")
    if how == "fast-forward":
        sh(here, "merge", "--quiet", "--ff-only", "tidemill/k")
    elif how == "rebase":
        sh(here, "cherry-pick", "main..tidemill/k")
    else:
        sh(here, "merge", "--quiet", "--squash", "tidemill/k")
        sh(here, "commit", "--quiet", "-m", "Squashed")
    landed = sh(here, "rev-parse", "HEAD")
    if how == "squash then edited":
        write(here, "specs/shop/prompt.yaml", "name: reply\nk: 9\n")
        commit(here, "Nine")
    sh(here, "push", "--quiet", "origin", "main")
    sh(here, "push", "--quiet", "--delete", "origin", "tidemill/k")

    found = forge.find_pull_request("tidemill/k")

    assert found is not None
    assert (found.state, found.merge_sha) == ("merged", landed)
    assert found.merged_by == ("" if how == "fast-forward" else "Grace <grace@example.org>")


def test_a_pushed_branch_is_a_proposal_before_anybody_wrote_about_it(here: Path) -> None:
    forge = PlainForge(here)

    found = forge.find_pull_request("tidemill/k")
    forge.comment("tidemill/k", "3 changes", marker=PLAN)

    assert found is not None
    assert (found.state, found.base, found.author) == ("open", "main", "Ada <ada@example.org>")
    assert forge.find_pull_request("tidemill/k") == found
    assert forge.find_pull_request("main") is None


def test_a_branch_without_a_commit_of_its_own_is_no_proposal(here: Path) -> None:
    sh(here, "push", "--quiet", "origin", "main:refs/heads/empty")
    forge = PlainForge(here)

    assert forge.find_pull_request("empty") is None
    with pytest.raises(ServiceError, match="'main' already contains 'empty'"):
        forge.open_pull_request("empty", "main", "T", "B")
    with pytest.raises(ServiceError, match="origin has no branch 'gone'; push it first"):
        forge.open_pull_request("gone", "main", "T", "B")


def test_branches_named_below_each_other_keep_pages_of_their_own(here: Path) -> None:
    forge = PlainForge(here)
    forge.open_pull_request("tidemill/k", "main", "First", "B")
    sh(here, "push", "--quiet", "--delete", "origin", "tidemill/k")
    push_change(here, "tidemill/k2", "README", "x\n")
    sh(here, "branch", "--delete", "--force", "tidemill/k")
    push_change(here, "tidemill/k/deeper", "README", "y\n")

    assert forge.open_pull_request("tidemill/k/deeper", "main", "Deeper", "B").state == "open"
    closed = forge.find_pull_request("tidemill/k")
    assert closed is not None
    assert closed.state == "closed"


def test_two_who_comment_at_once_on_a_plain_remote_both_come_through(
    bare: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge, other = PlainForge(here), PlainForge(clone(bare, tmp_path / "other"))
    real, raced = branches.run, []

    def late(folder: Path, *arguments: str, **options: Any) -> Any:
        if arguments[0] == "push" and not raced:
            raced.append(True)
            other.comment("tidemill/k", "theirs", marker="theirs")
        return real(folder, *arguments, **options)

    monkeypatch.setattr(branches, "run", late)
    forge.comment("tidemill/k", "ours", marker="ours")

    ref = "refs/tidemill/proposals/tidemill%2Fk"
    assert len(sh(bare, "ls-tree", "--name-only", f"{ref}:comments").split()) == 2


def test_two_who_report_at_once_on_a_plain_remote_both_come_through(
    bare: Path, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge, other = PlainForge(here), PlainForge(clone(bare, tmp_path / "other"))
    sha, real, raced = sh(here, "rev-parse", "main"), branches.run, []

    def late(folder: Path, *arguments: str, **options: Any) -> Any:
        if arguments[0] == "push" and not raced:
            raced.append(True)
            other.set_commit_status(sha, "success", "theirs", context="b")
        return real(folder, *arguments, **options)

    monkeypatch.setattr(branches, "run", late)
    forge.set_commit_status(sha, "pending", "ours", context="a")

    assert sh(bare, "notes", "--ref=refs/notes/tidemill/status", "show", sha) == (
        "a\tpending\tours\nb\tsuccess\ttheirs"
    )


def test_a_plain_remote_that_refuses_refs_of_ours_says_so(bare: Path, here: Path) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(
        ServiceError, match="could not be pushed to origin: it is a protected branch"
    ):
        PlainForge(here).comment("tidemill/k", "plan", marker=PLAN)


def test_a_page_that_somebody_broke_is_an_error_and_not_a_crash(bare: Path, here: Path) -> None:
    sh(here, "push", "--quiet", "origin", "main:refs/tidemill/proposals/tidemill%2Fk")
    forge = PlainForge(here)

    with pytest.raises(ServiceError, match=r"proposal\.json|not a proposal"):
        forge.find_pull_request("tidemill/k")


# Which forge, which proposal


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/ada/shop.git", Address("github.com", "ada/shop")),
        ("https://ada:hush@GitLab.example:8443/a/b/c", Address("gitlab.example", "a/b/c")),
        ("git@github.com:ada/shop.git", Address("github.com", "ada/shop")),
        ("ssh://git@git.example:2222/ada/shop", Address("git.example", "ada/shop")),
        ("/srv/git/shop.git", None),
        ("file:///srv/git/shop.git", None),
        ("../shop.git", None),
    ],
)
def test_an_address_is_read_off_any_form_of_remote(remote: str, address: Address | None) -> None:
    assert parse(remote) == address


def settings(folder: Path, **environ: str) -> Settings:
    return Settings.read(environ, specs=folder)


@pytest.mark.parametrize(
    ("environ", "remote", "kind"),
    [
        ({}, "", PlainForge),
        ({"GITHUB_TOKEN": "t"}, "git@github.com:ada/shop.git", GitHub),
        ({"GITHUB_TOKEN": "t"}, "https://github.example/ada/shop", GitHub),
        ({"GITLAB_TOKEN": "t"}, "https://gitlab.example/a/b/shop.git", GitLab),
        ({}, "https://git.example/ada/shop.git", PlainForge),
        ({"TIDEMILL_FORGE": "plain"}, "git@github.com:ada/shop.git", PlainForge),
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t"},
            "",
            GitHub,
        ),
        ({"GITLAB_CI": "true", "CI_PROJECT_ID": "7", "TIDEMILL_FORGE_TOKEN": "t"}, "", GitLab),
    ],
)
def test_the_forge_is_found_by_setting_then_environment_then_remote(
    here: Path, environ: dict[str, str], remote: str, kind: type
) -> None:
    if remote:
        sh(here, "remote", "set-url", "origin", remote)

    assert isinstance(open_forge(settings(here, **environ)), kind)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"TIDEMILL_FORGE": "gihub"}, r"TIDEMILL_FORGE is 'gihub'; did you mean 'github'\?"),
        ({"TIDEMILL_FORGE": "github"}, "not known which GitHub repository"),
        ({"TIDEMILL_FORGE": "gitlab", "TIDEMILL_FORGE_REPOSITORY": ""}, "which GitLab project"),
        (
            {"TIDEMILL_FORGE": "github", "GITHUB_REPOSITORY": "ada/shop"},
            r"GITHUB_TOKEN \(or TIDEMILL_FORGE_TOKEN\) is not set; .*`pull-requests: write`",
        ),
        (
            {"TIDEMILL_FORGE": "gitlab", "CI_PROJECT_ID": "7"},
            r"GITLAB_TOKEN \(or TIDEMILL_FORGE_TOKEN\) is not set; .*scope `api`",
        ),
    ],
)
def test_what_is_missing_to_reach_a_forge_is_named(
    here: Path, environ: dict[str, str], message: str
) -> None:
    with pytest.raises((ServiceError, SettingsError), match=message):
        open_forge(settings(here, **environ))


def test_the_address_of_the_api_follows_the_remote() -> None:
    token = ForgeHost(token=SecretStr("t"))

    assert GitHub.open(token, Address("github.com", "a/b")).api.url == "https://api.github.com"
    assert GitHub.open(token, Address("github.corp", "a/b")).api.url == "https://github.corp/api/v3"
    assert GitLab.open(token, Address("gitlab.corp", "a/b")).api.url == "https://gitlab.corp/api/v4"


def test_tokens_do_not_show_in_the_settings() -> None:
    env = {
        "GITHUB_TOKEN": "ghs-hush\n",
        "GITLAB_TOKEN": "glpat-hush",
        "TIDEMILL_REMOTE": "upstream",
    }
    read = ForgeSettings.read(env)

    tokens = [host.token.get_secret_value() for host in (read.github, read.gitlab) if host.token]
    assert tokens == ["ghs-hush", "glpat-hush"]
    assert read.remote == "upstream"
    assert "hush" not in repr(Settings.read(env))


@pytest.mark.parametrize(
    ("environ", "event", "number"),
    [
        ({}, None, None),
        ({"TIDEMILL_PROPOSAL": "3", "GITHUB_REF": "refs/pull/12/merge"}, None, "3"),
        ({"GITHUB_REF": "refs/pull/12/merge"}, None, "12"),
        ({"GITHUB_REF": "refs/heads/main"}, {"pull_request": {"number": 5}}, "5"),
        ({}, {"workflow_run": {"pull_requests": [{"number": 6}]}}, "6"),
        ({}, {"issue": {"number": 8, "pull_request": {}}}, None),
        ({}, {"issue": {"number": 8, "pull_request": {"url": "u"}}}, "8"),
        ({}, {"issue": {"number": 9}}, None),
        ({}, [], None),
        ({"GITHUB_EVENT_PATH": "/nowhere"}, None, None),
        ({"CI_MERGE_REQUEST_IID": "4"}, None, "4"),
        ({"CI_OPEN_MERGE_REQUESTS": "ada/shop!7"}, None, "7"),
        ({"CI_OPEN_MERGE_REQUESTS": "ada/shop!7,ada/shop!8"}, None, None),
    ],
)
def test_the_number_of_the_proposal_is_read_off_the_job(
    tmp_path: Path, environ: dict[str, str], event: Any, number: str | None
) -> None:
    if event is not None:
        (tmp_path / "event.json").write_text(json.dumps(event))
        environ = {**environ, "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}

    assert proposal_number(CiJob.read(environ)) == number


# Texts


@given(
    parts=st.lists(
        st.sampled_from(
            ["words ", "\n", "\n\n", "<details>\n", "</details>\n", "\n```\n", "| a | b |\n"]
        ),
        max_size=80,
    ),
    limit=st.integers(260, 600),
)
def test_a_cut_text_fits_and_only_a_long_one_is_cut(parts: list[str], limit: int) -> None:
    text = "".join(parts)
    made = truncate(text, limit)

    assert len(made) <= limit
    assert made == text if len(text) <= limit else "… cut:" in made


def test_a_cut_in_a_fence_or_a_fold_closes_it() -> None:
    fold = "<details>\n\n```\n" + "row\n" * 100 + "```\n\n</details>\n"
    made = truncate(fold, 300)

    assert made.count("```") == 2
    assert made.count("</details>") == 1
    assert "rows" not in made


def test_a_body_that_has_its_marker_is_not_marked_twice() -> None:
    once = with_marker("plan", PLAN, 1000)

    assert with_marker(once, PLAN, 1000) == once == f"<!-- {PLAN} -->\nplan"
    assert with_marker("x", "<!-- own -->", 1000) == "<!-- own -->\nx"
    assert one_line("a\n b\tc", 4) == "a b…"
