"""Detached processes that outlive the command that started them, known by pid and start time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from tidemill.engine.standstill import Signs, Standstill
from tidemill.errors import PortTaken, ServiceError

MARK = "TIDEMILL_RUN"
"""Environment variable that every process of a home inherits: the path of its run folder."""
_FILE = ".pid.json"
_KEYS = {"started_at": "created", "metadata": "facts"}
"""Fields that files of run folders call otherwise."""


@dataclass(frozen=True)
class ProcessInfo:
    """A process that was started; its file survives whoever started it."""

    name: str
    pid: int
    started_at: float
    """The process's start time: a pid alone may belong to somebody else by now."""
    log: str
    url: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)

    def process(self) -> psutil.Process | None:
        """The process, or None when it is gone (or only its corpse is left)."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_at) < 0.01:
                _reap(self.pid)
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        return None

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.process() is not None


@dataclass(frozen=True)
class ProcessSpec:
    """A process to start: its command, environment and folder."""

    name: str
    command: Sequence[str]
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    folder: Path | None = None
    """Its working directory."""


class ProcessFolder:
    """The processes of one home: a JSON file and a log for each in the run folder."""

    def __init__(self, run: Path, group: str = "") -> None:
        self.mark = run
        """The mark in the environment of all processes of this home."""
        self.run = run / group if group else run

    def start(self, how: ProcessSpec) -> ProcessInfo:
        """Start it detached from this terminal and this process; its file is there on return.

        Raises OSError, with nothing left running, where the file cannot be written.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        log = self.run / f"{how.name}.log"
        environment = {**os.environ, **how.environment, MARK: str(self.mark)}
        with log.open("ab") as sink:
            child = subprocess.Popen(
                list(how.command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                cwd=how.folder,
            )
        child.returncode = 0  # ours to reap in `Running.process`, not Popen's to warn about
        created = psutil.Process(child.pid).create_time()
        running = ProcessInfo(how.name, child.pid, created, str(log), how.url, dict(how.metadata))
        try:
            self._write(running)
        except OSError:  # a full disk: what has no file would be nobody's
            self.stop(running, grace=1)
            raise
        return running

    def get(self, name: str) -> ProcessInfo | None:
        """The process of that name, alive or not; None without a file."""
        try:
            values = json.loads(self._file(name).read_text())
            fields = {field: values.pop(key) for field, key in _KEYS.items()}
            return ProcessInfo(**values, **fields)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def list_all(self) -> list[ProcessInfo]:
        """Every process with a file, alive or not, by name."""
        names = sorted(path.name.removesuffix(_FILE) for path in self.run.glob(f"*{_FILE}"))
        processes = map(self.get, names)
        return [running for running in processes if running is not None]

    def stop(self, running: ProcessInfo, grace: float = 10.0) -> None:
        """Ask it and its children to end, make them after `grace` seconds, forget its file."""
        process = running.process()
        if process is not None:
            family = [process]
            with suppress(psutil.Error):
                family += process.children(recursive=True)
            _end(family, grace)
        self._file(running.name).unlink(missing_ok=True)

    def stop_all(self, grace: float = 10.0) -> int:
        """End every process that carries this run folder's mark, and forget all files."""
        mine = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
        family = [p for p in self.marked_processes() if p.pid not in mine]
        _end(family, grace)
        for running in self.list_all():
            self._file(running.name).unlink(missing_ok=True)
        return len(family)

    def marked_processes(self) -> list[psutil.Process]:
        """Processes that were started for this run folder, also those whose file is lost."""
        family = {running.pid: p for running in self.list_all() if (p := running.process())}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                inherited = process.environ().get(MARK) == str(self.mark)
                if inherited and process.status() != psutil.STATUS_ZOMBIE:
                    family[process.pid] = process
        return list(family.values())

    def await_ready(
        self, running: ProcessInfo, ready: Callable[[], bool], timeout: float, *, hint: str = ""
    ) -> None:
        """Wait until `ready()`; raises ServiceError with the end of the log if it ends before, or
        if it and its children do nothing for `timeout` seconds."""
        still = Standstill(time.monotonic(), effort([running.process()]), timeout)
        while not ready():
            if not running.alive:
                raise ServiceError(f"{running.name} ended while starting: {tail(running.log)}")
            still = still.look(effort([running.process()]), time.monotonic())
            if still.over(time.monotonic()):
                raise ServiceError(
                    f"{running.name} is not ready and did nothing for {timeout:g} s{hint}; "
                    f"see {running.log}"
                )
            time.sleep(0.1)

    def _file(self, name: str) -> Path:
        return self.run / f"{name}{_FILE}"

    def _write(self, running: ProcessInfo) -> None:
        path = self._file(running.name)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        values = {_KEYS.get(field, field): value for field, value in asdict(running).items()}
        fresh.write_text(json.dumps(values, indent=1) + "\n")
        fresh.replace(path)


def effort(family: Iterable[psutil.Process | None]) -> Signs:
    """Signs of life of processes and their children: processor seconds so far, bytes read."""
    work, read = 0.0, 0
    for process in filter(None, family):
        with suppress(psutil.Error):
            for member in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    times = member.cpu_times()
                    work += times.user + times.system
                    read += member.io_counters().read_bytes
    return Signs(read, work)


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port_free(host: str, port: int, variable: str, what: str) -> None:
    """Raise PortTaken where something listens already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortTaken(
                f"{what} needs port {port} on {host}, but {_holder(port)} listens there; "
                f"stop it, or set {variable} to a free port"
            ) from None


def is_listening(url: str) -> bool:
    """True where the host:port of `url` accepts connections."""
    host, _, port = url.split("://")[-1].split("/")[0].rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def tail(log: str, lines: int = 3) -> str:
    """The last lines of a log, in one."""
    try:
        text = Path(log).read_bytes()[-4000:].decode("utf-8", "replace")
    except FileNotFoundError:
        return "there is no log"
    last_lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(last_lines[-lines:]) or f"it wrote nothing to {log}"


def python_command(*arguments: str) -> list[str]:
    """A command of this very interpreter."""
    return [sys.executable, *arguments]


def _holder(port: int) -> str:
    with suppress(psutil.Error, PermissionError):
        for connection in psutil.net_connections("tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
            ):
                if connection.pid:
                    return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
                break
    return "another process"


def _end(family: Sequence[psutil.Process], grace: float) -> None:
    for process in family:
        with suppress(psutil.Error):
            process.terminate()
    for process in _survivors(family, grace):
        with suppress(psutil.Error):
            process.kill()
    _survivors(family, 5.0)


def _survivors(family: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after at most so many seconds."""
    until = time.monotonic() + seconds
    while True:
        survivors = []
        for process in family:
            _reap(process.pid)
            with suppress(psutil.Error):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    survivors.append(process)
        if not survivors or time.monotonic() > until:
            return survivors
        time.sleep(0.02)


def _reap(pid: int) -> None:
    # Only a parent may reap; for everybody else's child this does nothing.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
