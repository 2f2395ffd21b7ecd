"""Two syncs of one home at once, as the two processes they are in life."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.halted import GATE, Gate, environment, until
from tests.sync.conftest import Follow, Remote

SYNC = ("sync", "--once", "--json")
APPLYING = "tidemill.adapters.ledger.decisions:TriggerDecisionLedger.request_run"
WAITING = "tidemill.adapters.ledger.leases:LeaseLedger.acquire"


@contextmanager
def syncing(
    remote: Remote, home: Path, step: str, when: str
) -> Iterator[tuple[subprocess.Popen[str], Gate]]:
    """A sync in a process of its own, and the gate at its step."""
    gate = Gate(home.parent / when)
    gate.folder.mkdir()
    named = {
        "TIDEMILL_HOME": str(home),
        "TIDEMILL_GIT_REMOTE": str(remote.bare),
        "TIDEMILL_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        GATE: str(gate.folder),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.halted", step, when, *SYNC],
        cwd=home.parent,
        env=environment(**named),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, gate
        finally:
            process.kill()  # nothing where it ended by itself


def runs(home: Path) -> int:
    """How many runs Dagster knows of."""
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as history:
        return int(history.execute("select count(*) from runs").fetchone()[0])


@pytest.mark.slow
def test_one_works_the_other_waits_and_each_asset_is_made_once(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with syncing(desk, home, APPLYING, "hold") as (first, middle):
        until(lambda: middle.calls > 0 or first.poll() is not None)
        with syncing(desk, home, WAITING, "count") as (second, tries):
            until(lambda: tries.calls > 1 or second.poll() is not None)
            waits = second.poll() is None
            middle.open()
            said = [process.communicate(timeout=240) for process in (first, second)]

    assert waits, said[1]
    assert first.returncode == 2, said[0]
    assert second.returncode in (0, 2), said[1]
    assert [json.loads(out)["came"] for out, _ in said] == ["applied", "in-sync"]
    ledger = follow().home.ledger
    assert [(one.key, one.state) for one in ledger.trigger_decisions.sync_requests("@git/")] == [
        ("@git/1/desk", "finished")
    ]
    assert runs(home) == 1
    makings = list(ledger.materialisations.history("desk"))
    assert sorted(one.name for one in makings) == ["others", "rows"]
    assert len({one.run_id for one in makings}) == 1
