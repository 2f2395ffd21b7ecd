"""`tidemill up`, `status`, `down` and `doctor` on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tidemill.adapters.processes import MARK, Processes, free_port

QUIET = {"OMP_NUM_THREADS": "1", "TIDEMILL_SUBJECT_KEY": "a key", "PYTHONWARNINGS": ""}


class Home:
    """A home of this test's own, and the verbs run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "specs").mkdir()
        names = ("GATEWAY", "DAGSTER", "BROKER")
        self.ports = {f"TIDEMILL_{name}_PORT": str(free_port()) for name in names}
        self.environment = {**os.environ, **QUIET, **self.ports, "TIDEMILL_HOME": str(folder)}
        self.processes = Processes(folder / "run")

    def verb(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidemill", *words],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.verb("status", "--json").stdout)
        return found

    def alive(self) -> dict[str, int]:
        known = self.status()["processes"]
        return {process["name"]: process["pid"] for process in known if process["alive"]}

    @property
    def left(self) -> list[int]:
        """Processes that carry this home's mark, whatever their files say."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARK) == str(self.folder / "run")
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.processes.stop_all()


@pytest.mark.slow
def test_up_runs_everything_what_falls_comes_back_and_down_leaves_nothing(home: Home) -> None:
    started = home.verb("up")
    assert started.returncode == 0, started.stdout + started.stderr
    first = home.alive()
    gateway = f"http://127.0.0.1:{home.ports['TIDEMILL_GATEWAY_PORT']}"
    dagster = f"http://127.0.0.1:{home.ports['TIDEMILL_DAGSTER_PORT']}"

    assert set(first) == {
        "broker",
        "code",
        "controller",
        "daemon",
        "gateway",
        "ingest",
        "supervisor",
        "webserver",
    }
    assert gateway in started.stdout
    assert dagster in started.stdout
    assert httpx.get(f"{gateway}/-/health").status_code == 200
    assert httpx.get(f"{dagster}/server_info").status_code == 200
    assert home.verb("up").stdout.startswith("it runs already")

    for name in ("ingest", "controller", "gateway"):
        os.kill(first[name], signal.SIGKILL)
    until = time.monotonic() + 20
    while set(home.alive()) != set(first):
        assert time.monotonic() < until, home.alive()

    os.kill(first["supervisor"], signal.SIGKILL)
    again = home.verb("up")
    assert again.returncode == 0, again.stderr
    assert home.alive()["broker"] == first["broker"]

    os.kill(home.alive()["supervisor"], signal.SIGKILL)
    stopped = home.verb("down")

    assert stopped.returncode == 0
    assert home.left == []
    assert home.status()["processes"] == []
    assert home.verb("down").stdout == "nothing was running\n"


def test_a_port_in_use_is_named_with_its_holder_and_the_variable(home: Home) -> None:
    import socket

    with socket.socket() as holder:
        port = int(home.ports["TIDEMILL_DAGSTER_PORT"])
        holder.bind(("127.0.0.1", port))
        holder.listen()
        ended = home.verb("up")

    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert f"pid {os.getpid()}" in ended.stderr
    assert "TIDEMILL_DAGSTER_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert home.left == []


def test_status_of_an_empty_home_says_how_to_start(home: Home) -> None:
    said = home.verb("status").stdout

    assert "nothing runs; start it with `tidemill up`" in said


def test_a_home_that_cannot_be_written_is_said_to_be(home: Home) -> None:
    (home.folder / "file").write_text("")

    ended = home.verb("up", TIDEMILL_HOME=str(home.folder / "file" / "home"))

    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert "TIDEMILL_HOME" in ended.stderr


def test_doctor_says_what_is_missing_and_how_to_get_it(home: Home) -> None:
    found = {one["what"]: one for one in json.loads(home.verb("doctor", "--json").stdout)}
    broken = home.verb("doctor", PATH="", TIDEMILL_BOOTSTRAP_SERVERS="127.0.0.1:1")

    assert {"python", "memory", "disk", "processor", "git", "subject key"} <= set(found)
    assert found["extra serve"]["state"] == "ok"
    assert broken.returncode == 1
    assert "MISSING  git: not found; install git" in broken.stdout
    assert "MISSING  broker 127.0.0.1:1: does not answer; check TIDEMILL_BOOTSTRAP" in broken.stdout
