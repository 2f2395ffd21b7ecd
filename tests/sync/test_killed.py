"""A sync that is killed anywhere ends, when it runs again, where one that was not ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.sync.conftest import Follow, Remote

ROOT = Path(__file__).parents[2]
GIT, LEDGER = "tidemill.adapters.git", "tidemill.adapters.ledger"
STEPS = [
    (f"{GIT}.mirror:Mirror.fetch", "after"),
    (f"{LEDGER}.syncs:SyncLedger.arrive", "after"),
    (f"{GIT}.worktrees:_protect", "before"),
    (f"{GIT}.worktrees:Trees.make", "after"),
    (f"{LEDGER}.syncs:SyncLedger.move", "before"),
    (f"{LEDGER}.syncs:SyncLedger.move", "after"),
    (f"{GIT}.worktrees:Trees.switch", "before"),
    (f"{GIT}.worktrees:Trees.switch", "after"),
    (f"{LEDGER}.decisions:DecisionLedger.ask_for", "before"),
    (f"{LEDGER}.decisions:DecisionLedger.ask_for", "after"),
    (f"{LEDGER}.decisions:DecisionLedger.withdraw", "after"),
    ("tidemill.serving.sync:Follower._publish", "before"),
    ("tidemill.cli.sync:run", "before"),
]


def python(remote: Remote, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_GIT_REMOTE": str(remote.bare),
        "TIDEMILL_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "PYTHONWARNINGS": "",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home.parent,
        env=environment,
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
        "current": follow().trees.current(),
        "asked": [(one.key, one.targets) for one in home.ledger.decisions.synced("@git/")],
        "trees": sorted(p.name for p in follow().trees.folder.iterdir()),
    }


@pytest.mark.parametrize(("step", "when"), STEPS)
def test_it_ends_in_the_same_state(
    step: str, when: str, desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    sha = desk.git("rev-parse", "HEAD")

    killed = python(desk, home, "-m", "tests.sync.killed", step, when)
    outcome = follow().look()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert outcome.came in ("applied", "in-sync")
    found = seen(follow)
    assert found["syncs"] == [(sha, "applied")]
    assert found["reason"] == "makes others, rows of desk"
    assert found["current"] == sha
    assert found["asked"] == [("@git/1/desk", ("others", "rows"))]
    assert sha in found["trees"]
    assert not any(name.startswith(".") for name in found["trees"])


@pytest.mark.slow
def test_a_sync_killed_while_its_run_works_starts_no_second_one(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    """The run outlives it; the next sync waits for it and finds the work done."""
    home = tmp_path / "home"

    killed = python(desk, home, "-m", "tests.sync.killed", "subprocess:run", "during")
    again = python(desk, home, "-m", "tidemill", "sync", "--json")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert again.returncode in (0, 2), again.stderr
    assert json.loads(again.stdout)["runs"][0]["state"] == "finished"
    makings = list(follow().home.ledger.assets.history("desk"))
    assert sorted(one.name for one in makings) == ["others", "rows"]
    assert len({one.run for one in makings}) == 1
