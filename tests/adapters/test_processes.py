"""Detached processes: known by pid and start time, stopped with their children."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tidemill.adapters.local.processes import ProcessFolder, ProcessInfo, ProcessSpec
from tidemill.errors import ServiceError
from tidemill.local import supervisor as supervising
from tidemill.local.services import Service

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
FAMILY = [
    sys.executable,
    "-c",
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
]


@pytest.fixture
def processes(tmp_path: Path) -> ProcessFolder:
    return ProcessFolder(tmp_path / "run")


def test_a_file_in_the_run_folder_keeps_its_keys(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("sleeper", SLEEP, url="http://x", metadata={"a": 1}))
    values = json.loads((processes.run / "sleeper.pid.json").read_text())
    processes.stop(started)

    assert set(values) == {"name", "pid", "created", "log", "url", "facts"}
    assert (values["created"], values["facts"]) == (started.started_at, {"a": 1})


def test_a_started_process_is_known_to_others_and_ends_when_told(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("sleeper", SLEEP, url="http://x", metadata={"a": 1}))

    assert ProcessFolder(processes.run).get("sleeper") == started
    assert started.alive
    processes.stop(started)
    assert not started.alive
    assert processes.list_all() == []


def test_it_does_not_hold_the_terminal(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("sleeper", SLEEP))

    assert os.getsid(started.pid) == started.pid
    processes.stop(started)


def test_children_end_with_their_parent(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("family", FAMILY))
    process = psutil.Process(started.pid)
    until = time.monotonic() + 10
    while not (children := process.children()):
        assert time.monotonic() < until
        time.sleep(0.02)

    processes.stop(started)

    gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    assert all(not child.is_running() or child.status() in gone for child in children)


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(processes: ProcessFolder) -> None:
    stale = ProcessInfo("old", os.getpid(), started_at=1.0, log="")

    processes.stop(stale)

    assert not stale.alive
    assert psutil.pid_exists(os.getpid())


def test_what_lost_its_file_is_found_by_its_mark(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("sleeper", SLEEP))
    (processes.run / "sleeper.pid.json").unlink()

    assert processes.stop_all() == 1
    assert not started.alive


def test_one_that_ends_while_starting_says_its_last_words(processes: ProcessFolder) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no model here')"]
    started = processes.start(ProcessSpec("broken", command))

    with pytest.raises(ServiceError, match="broken ended while starting: no model here"):
        processes.await_ready(started, lambda: False, 10)


def test_one_that_is_never_ready_is_not_waited_for(processes: ProcessFolder) -> None:
    started = processes.start(ProcessSpec("sleeper", SLEEP))

    with pytest.raises(ServiceError, match=r"not ready and did nothing for 0\.2 s"):
        processes.await_ready(started, lambda: False, 0.2)
    processes.stop(replace(started))


def test_one_that_works_is_waited_for_beyond_its_time(processes: ProcessFolder) -> None:
    """Its patience is a quarter of a second, and it calculates for two."""
    script = "import time\nwhile time.process_time() < 2: pass\nprint('done', flush=True)"
    started = processes.start(ProcessSpec("busy", [sys.executable, "-c", script]))
    log = Path(started.log)

    processes.await_ready(started, lambda: b"done" in log.read_bytes(), 0.25)


@pytest.mark.parametrize("times", [1, 3])
def test_a_disk_that_is_full_for_a_while_ends_no_supervisor_and_leaves_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(supervising, "BACKOFF", (0.0,))
    processes = Full(tmp_path / "run")
    sleeping = ProcessSpec("ingest", SLEEP)
    running = processes.start(sleeping)
    supervisor = supervising.Supervisor([], processes)
    child = supervising.Child(Service(sleeping, "the ingest", lambda: True), running, 0.0)
    try:
        processes.stop(running)
        processes.refused = times
        for _ in range(times + 1):
            supervisor.check_child(child)
            assert processes.marked_processes() == []
        supervisor.check_child(child)

        assert child.process.alive
        assert [process.pid for process in processes.marked_processes()] == [child.process.pid]
    finally:
        processes.stop_all()


class Full(ProcessFolder):
    """Processes on a disk that has no room for so many of its files."""

    refused = 0

    def _write(self, running: ProcessInfo) -> None:
        if self.refused:
            self.refused -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._write(running)
