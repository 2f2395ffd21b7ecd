"""The checks that people copy: they parse, they use verbs there are, and forks get no secret."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tidemill import __version__
from tidemill.cli import commands

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "infra/ci/github/tidemill.yml"
GITLAB = ROOT / "infra/ci/gitlab/tidemill.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps() -> Iterator[dict[str, Any]]:
    for job in read(GITHUB)["jobs"].values():
        yield from job["steps"]


def lines() -> list[str]:
    """Every `tidemill …` command of every template."""
    run = [step["run"] for step in steps() if "run" in step]
    jobs = [job for job in read(GITLAB).values() if isinstance(job, dict) and "script" in job]
    run += [line for job in jobs for line in job["script"]]
    run += [hook["entry"] for hook in read(HOOKS)]
    return sorted({line for line in run if line.startswith("tidemill ")})


@pytest.mark.parametrize("line", lines())
def test_each_command_is_a_verb_whose_options_parse(line: str) -> None:
    words = shlex.split(re.split(r" (?:>>|\|\|) ", line)[0])[1:]

    found = commands.get_command(click.Context(commands), words[0])

    assert found is not None, words[0]
    with found.make_context(words[0], words[1:]):
        pass


@pytest.mark.parametrize("path", [GITHUB, GITLAB])
def test_both_templates_validate_plan_post_and_check(path: Path) -> None:
    text = path.read_text()

    for step in ("validate", "schema --check", "check --against", "plan --against"):
        assert f"tidemill {step}" in text
    assert " --post " in text


@pytest.mark.parametrize("path", [GITHUB, GITLAB])
def test_evaluations_run_only_where_the_data_is_and_stand_in_the_same_comment(path: Path) -> None:
    text = path.read_text()
    jobs = read(path).get("jobs") or read(path)

    assert "tidemill eval --against" in text
    assert "eval.md" in text.partition("--post --section ")[2].splitlines()[0]
    if path == GITHUB:
        (step,) = [s for s in jobs["plan"]["steps"] if s.get("id") == "eval"]
        assert step["if"] == "vars.EVAL_RUNNER != ''"
        assert "GITHUB_TOKEN" not in str(step)
    else:
        assert jobs["tidemill:eval"]["rules"][0]["if"].startswith("$EVAL_RUNNER && ")


def test_the_workflow_has_what_github_requires() -> None:
    workflow = read(GITHUB)

    assert list(workflow[True]) == ["pull_request"]  # YAML 1.1 reads `on` as true
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert all(
        {"runs-on", "timeout-minutes", "steps"} <= job.keys() for job in workflow["jobs"].values()
    )


def test_permissions_are_given_by_the_job_and_only_the_guarded_one_may_write() -> None:
    workflow = read(GITHUB)
    writers = {
        name for name, job in workflow["jobs"].items() if "write" in job["permissions"].values()
    }

    assert workflow["permissions"] == {}
    assert writers == {"plan"}
    assert workflow["jobs"]["plan"]["if"] == (
        "github.event.pull_request.head.repo.full_name == github.repository"
    )
    check = str(workflow["jobs"]["check"])
    assert "secrets." not in check
    assert "github.token" not in check


def test_actions_are_pinned_to_commits_and_see_the_whole_history() -> None:
    used = [step for step in steps() if "uses" in step]

    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in used)
    checkouts = [step["with"] for step in used if "checkout" in step["uses"]]
    assert all(w["fetch-depth"] == 0 and w["persist-credentials"] is False for w in checkouts)


def test_nothing_that_a_stranger_chooses_is_pasted_into_a_shell() -> None:
    assert all("${{" not in step["run"] for step in steps() if "run" in step)


def test_the_gitlab_jobs_leave_forks_without_a_token_and_see_the_whole_history() -> None:
    jobs = read(GITLAB)

    assert jobs[".tidemill"]["variables"]["GIT_DEPTH"] == "0"
    for name in ("tidemill:check", "tidemill:eval", "tidemill:plan"):
        assert jobs[name]["extends"] == ".tidemill"
        assert "merge_request_event" in jobs[name]["rules"][0]["if"]
    assert (
        "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"
        in (jobs["tidemill:plan"]["rules"][0]["if"])
    )


def test_the_templates_install_this_version() -> None:
    assert read(GITHUB)["env"]["TIDEMILL_VERSION"] == __version__
    assert read(GITLAB)["variables"]["TIDEMILL_VERSION"] == __version__
    assert f"rev: v{__version__}" in (ROOT / "infra/ci/README.md").read_text()


def test_pre_commit_takes_the_hooks() -> None:
    pytest.importorskip("pre_commit")
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_hooks_look_at_whole_projects_when_any_file_of_them_changes() -> None:
    for hook in read(HOOKS):
        assert hook["pass_filenames"] is False
        assert re.search(hook["files"], "specs/shop/ask.j2")
        assert not re.search(hook["files"], "docs/specs.md")
