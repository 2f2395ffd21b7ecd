"""A sync that is killed anywhere ends, when it runs again, where one that was not ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.halted import environment
from tests.sync.conftest import Follow, Remote, quiet, settings_of

from tidemill.control.git_sync import follower

GIT, LEDGER = "tidemill.adapters.git", "tidemill.adapters.ledger"
SYNC = ("sync", "--once", "--json")
STEPS = [
    (f"{GIT}.mirror:Mirror.fetch", "after"),
    (f"{LEDGER}.syncs:SyncLedger.record_arrival", "after"),
    (f"{GIT}.worktrees:_protect", "before"),
    (f"{GIT}.worktrees:Worktrees.add", "after"),
    (f"{LEDGER}.syncs:SyncLedger.set_state", "before"),
    (f"{LEDGER}.syncs:SyncLedger.set_state", "after"),
    (f"{GIT}.worktrees:Worktrees.make_current", "before"),
    (f"{GIT}.worktrees:Worktrees.make_current", "after"),
    (f"{LEDGER}.decisions:TriggerDecisionLedger.request_run", "before"),
    (f"{LEDGER}.decisions:TriggerDecisionLedger.request_run", "after"),
    (f"{LEDGER}.decisions:TriggerDecisionLedger.withdraw_requests", "after"),
    ("tidemill.control.git_sync:Follower._publish", "before"),
    ("tidemill.control.git_sync:Follower._publish", "after"),
    ("tidemill.cli.sync:start_runs", "before"),
]


def python(remote: Remote, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    named = {
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_GIT_REMOTE": str(remote.bare),
        "TIDEMILL_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home.parent,
        env=environment(**named),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def seen(follow: Follow) -> dict[str, Any]:
    """The state that has to be the same."""
    home = follow().home
    newest = home.ledger.syncs.newest()
    return {
        "syncs": [(one.commit, one.state) for one in home.ledger.syncs.history()],
        "reason": newest.reason if newest else "",
        "current": follow().trees.current_commit(),
        "asked": [
            (one.key, one.assets) for one in home.ledger.trigger_decisions.sync_requests("@git/")
        ],
        "trees": sorted(p.name for p in follow().trees.folder.iterdir()),
    }


def status(remote: Remote, sha: str) -> str:
    """What stands beside a commit on the remote."""
    return remote.git("notes", "--ref=refs/notes/tidemill/status", "show", sha, at=remote.bare)


@pytest.mark.parametrize(("step", "when"), STEPS)
def test_it_ends_in_the_same_state(
    step: str, when: str, desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    sha = desk.git("rev-parse", "HEAD")

    killed = python(desk, home, "-m", "tests.halted", step, when, *SYNC)
    outcome = follower(settings_of(desk, home), tell=quiet).look()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert outcome.came in ("applied", "in-sync")
    found = seen(follow)
    assert found["syncs"] == [(sha, "applied")]
    assert found["reason"] == "builds others, rows of desk"
    assert found["current"] == sha
    assert found["asked"] == [("@git/1/desk", ("others", "rows"))]
    assert sha in found["trees"]
    assert not any(name.startswith(".") for name in found["trees"])
    tree = follow().trees.folder / sha
    assert [path for path in tree.rglob("*") if path.stat().st_mode & 0o222] == []  # made whole
    assert status(desk, sha) == "tidemill/sync\tsuccess\tbuilds others, rows of desk"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_refusal_is_told_even_when_the_sync_was_killed_before_it_could_tell(
    when: str, desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    follow().look()
    good = follow().trees.current_commit()
    desk.change("kind: Dataset", "kind: Datasets")
    broken = desk.push("broken")
    step = "tidemill.control.git_sync:Follower._publish"

    killed = python(desk, tmp_path / "home", "-m", "tests.halted", step, when, *SYNC)
    outcome = follower(settings_of(desk, tmp_path / "home"), tell=quiet).look()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert outcome.came == "refused"
    assert status(desk, broken).startswith("tidemill/sync\tfailure\ta problem: ")
    assert follow().trees.current_commit() == good


@pytest.mark.slow
def test_a_sync_killed_while_its_run_works_starts_no_second_one(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    """The run outlives it; the next sync waits for it and finds the work done."""
    home = tmp_path / "home"

    during = ("subprocess:run", "during")
    killed = python(desk, home, "-m", "tests.halted", *during, *SYNC)
    again = python(desk, home, "-m", "tidemill", "sync", "--json")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert again.returncode in (0, 2), again.stderr
    assert json.loads(again.stdout)["runs"][0]["state"] == "finished"
    makings = list(follow().home.ledger.materialisations.history("desk"))
    assert sorted(one.name for one in makings) == ["others", "rows"]
    assert len({one.run_id for one in makings}) == 1
