"""`tidemill up`, `status`, `down` and `doctor` on real processes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import psutil
import pytest

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import (
    MARK,
    ProcessFolder,
    ProcessInfo,
    ProcessSpec,
    free_port,
    python_command,
)
from tidemill.home import check_writable
from tidemill.local.services import responds
from tidemill.local.stack import start_stack
from tidemill.settings import Settings

QUIET = {"OMP_NUM_THREADS": "1", "TIDEMILL_SUBJECT_KEY": "a key", "PYTHONWARNINGS": ""}


class Home:
    """A home of this test's own, and the verbs run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "specs").mkdir()
        names = ("GATEWAY", "DAGSTER", "BROKER")
        self.ports = {f"TIDEMILL_{name}_PORT": str(free_port()) for name in names}
        self.environment = {**os.environ, **QUIET, **self.ports, "TIDEMILL_HOME": str(folder)}
        self.processes = ProcessFolder(folder / "run")

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
def test_of_two_ups_at_once_one_supervisor_is_left(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read(specs=home.folder / "specs")
    together = Barrier(2)

    def up(_: int) -> None:
        together.wait()
        start_stack(settings, lambda *_, **__: None, 180)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(up, range(2)))

    words = [psutil.Process(pid).cmdline() for pid in home.left]
    assert len([line for line in words if "tidemill.local.supervisor" in line]) == 1
    assert set(home.alive()) >= {"supervisor", "ingest", "gateway", "webserver"}


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
    assert home.verb("up").stdout.startswith("Already running")

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


def test_a_newer_ledger_is_refused_before_anything_is_started(home: Home) -> None:
    path = home.folder / "ledger.db"
    Ledger.open(f"sqlite:///{path}").engine.dispose()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    ended = home.verb("up")

    assert ended.returncode == 1
    assert f"the ledger at sqlite:///{path} was written by a newer Tidemill" in ended.stderr
    assert home.left == []


def test_status_of_an_empty_home_says_how_to_start(home: Home) -> None:
    said = home.verb("status").stdout

    assert "Nothing is running; start with `tidemill up`." in said


def sleeping(home: Home, name: str) -> ProcessInfo:
    """A process under the name of one of the home's services."""
    return home.processes.start(
        ProcessSpec(name, python_command("-c", "import time; time.sleep(60)"))
    )


def test_status_says_that_a_killed_ingest_is_down_and_who_brings_it_back(home: Home) -> None:
    ingest = sleeping(home, "ingest")
    (home.folder / "run" / "ingest.json").write_text('{"state": "running", "trouble": ""}')
    Ledger.open(f"sqlite:///{home.folder / 'ledger.db'}")
    os.kill(ingest.pid, signal.SIGKILL)
    while ingest.alive:
        time.sleep(0.01)

    alone = home.verb("status").stdout
    sleeping(home, "supervisor")
    guarded = home.verb("status").stdout

    assert "state down" in alone
    assert (
        "The supervisor is not running, so stopped services stay stopped; run `tidemill up`."
        in alone
    )
    assert "own broker does not answer" in alone
    assert "`tidemill up` starts it" in alone.split("own broker")[1]
    assert "`tidemill up`" not in guarded
    assert f"it is started again, see {home.folder / 'run' / 'broker.log'}" in guarded


def test_services_are_reached_beside_a_proxy_that_the_environment_names(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = f"http://127.0.0.1:{home.ports['TIDEMILL_GATEWAY_PORT']}"
    listen = ("--home", str(home.folder), "--port", home.ports["TIDEMILL_GATEWAY_PORT"])
    home.processes.start(
        ProcessSpec("gateway", python_command("-m", "tidemill.serving.gateway", *listen))
    )

    until = time.monotonic() + 20
    while not responds(f"{url}/-/health"):
        assert time.monotonic() < until
        time.sleep(0.1)

    assert LocalDeployer(home.folder, url).traffic_shares("nobody") == {}


def test_looking_on_costs_a_controller_next_to_nothing(home: Home) -> None:
    url = f"http://127.0.0.1:{home.ports['TIDEMILL_GATEWAY_PORT']}"
    listen = ("--home", str(home.folder), "--port", home.ports["TIDEMILL_GATEWAY_PORT"])
    home.processes.start(
        ProcessSpec("gateway", python_command("-m", "tidemill.serving.gateway", *listen))
    )
    while not responds(f"{url}/-/health"):
        time.sleep(0.1)
    deployer = LocalDeployer(home.folder, url)
    deployer.traffic_shares("nobody")

    begun = time.process_time()
    for _ in range(50):
        deployer.traffic_shares("nobody")

    assert (time.process_time() - begun) / 50 < 0.008  # certificates alone would be 25 ms


def test_homes_are_opened_side_by_side(home: Home) -> None:
    settings = Settings.read({}, specs=home.folder / "specs", home=home.folder)

    def probe(_: int) -> None:
        for _ in range(300):
            check_writable(settings.home)
            check_writable(settings.home, "run")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(probe, range(4)))


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
