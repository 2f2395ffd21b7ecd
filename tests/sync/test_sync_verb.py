"""`tidemill sync` and `tidemill status` as a person calls them: exit codes, words, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.sync.conftest import Remote

from tidemill.cli import commands
from tidemill.cli import sync as verb
from tidemill.control import git_sync as serving
from tidemill.errors import SettingsError
from tidemill.settings import Settings


@pytest.fixture
def call(desk: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line on a home that follows the desk; its runs are only asked for."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMILL_GIT_REMOTE", str(desk.bare))
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr(serving, "announce", lambda *_a, **_k: None)
    monkeypatch.setattr(verb, "run_decision", lambda *_a: 0)
    return CliRunner()


def sync(call: CliRunner, *words: str) -> Result:
    return call.invoke(commands, ["sync", *words])


def test_exit_codes_say_what_came_of_it(call: CliRunner, desk: Remote) -> None:
    applied = sync(call)
    call.invoke(commands, ["sync"])
    desk.change("kind: Dataset", "kind: Datasets")
    desk.push("broken")
    refused = sync(call)
    desk.bare.rename(desk.bare.with_name("away.git"))
    away = sync(call)

    assert (applied.exit_code, refused.exit_code, away.exit_code) == (2, 1, 1)
    assert "never built desk/rows" in applied.output
    assert "builds others, rows of desk" in applied.output
    assert "refused (broken): a problem: specs/desk/rows.yaml:2:" in refused.output
    assert "the live releases are unchanged" in refused.output
    assert "the last fetched commit stays in use" in away.output


def test_status_says_what_is_applied_and_why_the_newest_is_not(
    call: CliRunner, desk: Remote
) -> None:
    sync(call)
    desk.change("kind: Dataset", "kind: Datasets")
    broken = desk.push("broken")
    sync(call)
    desk.bare.rename(desk.bare.with_name("away.git"))
    sync(call)

    said = call.invoke(commands, ["status"]).output
    found = json.loads(call.invoke(commands, ["status", "--json"]).stdout)["git"]

    assert "main: " in said
    assert "the first specs is applied" in said
    assert f"{broken[:10]} broken is refused broken: a problem: specs/desk/rows.yaml:2:" in said
    assert "error: " in said
    assert found["applied"]["subject"] == "the first specs"
    assert (found["seen"]["state"], found["seen"]["refusal"]) == ("refused", "broken")


def test_json_has_the_plan_and_the_runs(call: CliRunner, desk: Remote) -> None:
    found = json.loads(sync(call, "--once", "--json").stdout)

    assert found["came"] == "applied"
    assert found["commit"] == desk.git("rev-parse", "HEAD")
    assert [(i["name"], i["state"]) for i in found["plan"]] == [
        ("others", "never_built"),
        ("rows", "never_built"),
    ]
    assert found["runs"][0]["targets"] == ["others", "rows"]


def test_a_remote_and_branch_on_the_command_line_win(
    call: CliRunner, desk: Remote, tmp_path: Path
) -> None:
    desk.git("checkout", "--quiet", "-b", "next")
    desk.push("on next")

    found = json.loads(sync(call, "--branch", "next", "--remote", str(desk.bare), "--json").stdout)

    assert (found["branch"], found["commit"]) == ("next", desk.git("rev-parse", "HEAD"))


@pytest.mark.parametrize("words", [["--interval", "soon"], ["--once", "--follow"]])
def test_options_that_make_no_sense_are_refused(call: CliRunner, words: list[str]) -> None:
    assert sync(call, *words).exit_code == 2


def test_named_specs_win_over_the_followed_ones(tmp_path: Path) -> None:
    environment = {"TIDEMILL_HOME": str(tmp_path), "TIDEMILL_GIT_REMOTE": "git@example.com:x"}

    assert Settings.read(environment).specs == tmp_path / "git/current/specs"
    assert Settings.read({**environment, "TIDEMILL_SPECS": "mine"}).specs == Path.cwd() / "mine"
    assert "example.com" not in repr(Settings.read(environment))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDEMILL_GIT_FOLDER", "../up"),
        ("TIDEMILL_GIT_FOLDER", "/abs"),
        ("TIDEMILL_SIGNATURES", "some"),
    ],
)
def test_settings_that_cannot_be_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is '{value}'"):
        Settings.read({name: value})


def test_a_commits_words_do_not_drive_the_terminal(call: CliRunner, desk: Remote) -> None:
    desk.change("kind: Dataset", "kind: Datasets")
    desk.push("Fix \x1b[2Jit")

    said = sync(call).output + call.invoke(commands, ["status"]).output

    assert "Fix  [2Jit" in said
    assert "\x1b" not in said
