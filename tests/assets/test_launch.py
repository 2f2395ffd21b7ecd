"""`tidemill run`: a real Dagster run in this process, reused or stopped as it should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tidemill.errors import GateFailed
from tidemill.home import Home
from tidemill.local.dagster_home import prepare
from tidemill.progress import no_progress
from tidemill_assets.launch import launch


def run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(prepare(home.settings)))
    launch(home.with_fresh_specs(), "desk", ["rows"], tags={}, say=no_progress)


def test_a_run_leaves_its_record_and_a_second_one_reuses_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(home, monkeypatch)
    first = home.ledger.materialisations.latest("desk", "rows")
    run(home, monkeypatch)

    second = home.ledger.materialisations.latest("desk", "rows")
    assert first is not None
    assert first.run_id
    assert second == first


def test_a_broken_expectation_stops_the_line_and_says_which(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.settings.specs / "desk" / "rows.yaml"
    path.write_text(path.read_text().replace("min_value: 5", "min_value: 500"))

    said = "rows: expect_column_value_lengths_to_be_between.*; what is live stays, fix it and run"
    with pytest.raises(GateFailed, match=said):
        run(home, monkeypatch)


def heard() -> None:
    """As a shell starts a command in the foreground, whatever this process ignores itself."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_control_c_ends_a_run_in_one_word_and_leaves_nothing_behind(
    home: Home, before: signal.Handlers, request: pytest.FixtureRequest
) -> None:
    usual = signal.signal(signal.SIGINT, before)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    place = {"TIDEMILL_SPECS": str(home.settings.specs), "TIDEMILL_HOME": str(home.settings.home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill", "run", "desk/rows"],
        env={**os.environ, **place},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal of its own, so to speak
        preexec_fn=heard,
    )
    with process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        started = psutil.Process(process.pid).children(recursive=True)

        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the whole group
        told += process.stdout.readlines()

    assert process.wait(30) == 130
    assert told[0] == "rows: building dataset\n"
    assert told[-1] == "interrupted\n"
    assert "Traceback" not in "".join(told)
    assert psutil.wait_procs(started, timeout=10)[1] == []
