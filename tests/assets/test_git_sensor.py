"""The sensor that follows a remote: it applies, has the assets loaded anew, then asks for runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dagster as dg
import pytest

from tidemill.adapters.git.worktrees import prepare_current
from tidemill.home import Home
from tidemill.settings import Settings
from tidemill_assets.definitions import definitions
from tidemill_assets.git_sensors import git_sensor
from tidemill_assets.runs import COMMIT_TAG, DECISION_TAG
from tidemill_assets.sensors import pending

ROWS = """apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.csv}]
"""


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one commit, pushed to a bare remote."""
    bare, clone = tmp_path / "remote.git", tmp_path / "clone"
    for folder, options in ((bare, ["--bare"]), (clone, [])):
        folder.mkdir()
        git(folder, "init", "--quiet", "-b", "main", *options)
    git(clone, "remote", "add", "origin", str(bare))
    (clone / "specs/desk").mkdir(parents=True)
    (clone / "specs/desk/rows.csv").write_text("text,label\nhello there,a\n")
    (clone / "specs/desk/rows.yaml").write_text(ROWS)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "first")
    git(clone, "push", "--quiet", "origin", "main")
    return clone


def loaded(clone: Path) -> Home:
    """The home as a code server that starts now has it."""
    settings = Settings.read(
        {
            "TIDEMILL_HOME": str(clone.parent / "home"),
            "TIDEMILL_GIT_REMOTE": str(clone.parent / "remote.git"),
            "TIDEMILL_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "TIDEMILL_DAGSTER_PORT": "1",
        }
    )
    prepare_current(settings)
    home = Home(settings)
    definitions(home)
    return home


def look(home: Home, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    watched = sorted(home.workspace.projects)
    found = git_sensor(home, watched)(dg.build_sensor_context(instance=instance))
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_runs_are_asked_for_by_the_process_that_has_the_commit(
    clone: Path, instance: dg.DagsterInstance
) -> None:
    sha = git(clone, "rev-parse", "HEAD")
    before = loaded(clone)

    first = look(before, instance)
    second = look(loaded(clone), instance)

    assert isinstance(first, dg.SkipReason)
    assert "did not reload the assets" in str(first.skip_message)
    assert isinstance(second, dg.SensorResult)
    (request,) = second.run_requests or []
    assert request.run_key == "@git/1/desk#0"
    assert request.asset_selection == [dg.AssetKey(["desk", "rows"])]
    assert request.tags == {DECISION_TAG: "@git/1/desk", COMMIT_TAG: sha}


def test_a_run_that_a_commit_asked_for_is_not_the_triggers_to_start(
    clone: Path, instance: dg.DagsterInstance
) -> None:
    look(loaded(clone), instance)
    home = loaded(clone)

    assert list(pending(home, home.project("desk"), instance)) == []


def test_a_run_that_started_is_not_asked_for_again(
    clone: Path, instance: dg.DagsterInstance
) -> None:
    look(loaded(clone), instance)
    job = dg.GraphDefinition(name="made", node_defs=[]).to_job()
    tags = {DECISION_TAG: "@git/1/desk"}
    instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.SUCCESS)

    found = look(loaded(clone), instance)

    assert isinstance(found, dg.SkipReason)
    assert loaded(clone).ledger.trigger_decisions.get("@git/1/desk").state == "finished"


def test_a_refused_commit_is_skipped_with_its_reason(
    clone: Path, instance: dg.DagsterInstance
) -> None:
    (clone / "specs/desk/rows.yaml").write_text(ROWS.replace("Dataset", "Datasets"))
    git(clone, "commit", "--quiet", "-am", "broken")
    git(clone, "push", "--quiet", "origin", "main")

    found = look(loaded(clone), instance)

    assert isinstance(found, dg.SkipReason)
    assert "no kind of spec" in str(found.skip_message)
