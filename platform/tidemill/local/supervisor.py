"""One process that keeps the others running: what `tidemill up` leaves behind.

    python -m tidemill.local.supervisor      (settings from the environment)

It writes `run/NAME.pid.json` for each child and for itself, restarts what ends
with a growing pause, and takes over children that outlived a killed supervisor.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

import psutil

from tidemill import entry_points
from tidemill.adapters.local.processes import ProcessFolder, ProcessInfo, ProcessSpec
from tidemill.local.services import Service, prepare, service_plan
from tidemill.machine import SHARING
from tidemill.settings import Settings

BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the first, second … restart in a row."""
STABLE_AFTER = 60.0
"""A child that ran this long starts again from the first pause."""
CHECK_INTERVAL = 0.5
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
log = logging.getLogger(__name__)


@dataclass
class Child:
    """A service and the process that runs it now."""

    service: Service
    process: ProcessInfo
    started_at: float
    restarts: int = 0
    retry_at: float | None = None


class Supervisor:
    """Keeps services running until told to stop."""

    def __init__(self, services: Sequence[Service], processes: ProcessFolder) -> None:
        self.services, self.processes = services, processes
        self.stopping = Event()
        self.children: list[Child] = []

    def run(self) -> None:
        """Start, watch, and at the end stop everything that carries this home's mark."""
        _adopt_orphans()
        for service in self.services:
            if self.stopping.is_set():
                break
            self.children.append(Child(service, self._begin(service), time.monotonic()))
        while not self.stopping.wait(CHECK_INTERVAL):
            for child in self.children:
                self.check_child(child)
            _reap_orphans({child.process.pid for child in self.children})
        for child in reversed(self.children):
            self.processes.stop(child.process)
        self.processes.stop_all()

    def check_child(self, child: Child) -> None:
        """Start a child again that ended, after its pause."""
        now = time.monotonic()
        if child.process.alive:
            if child.restarts and now - child.started_at > STABLE_AFTER:
                child.restarts = 0
            return
        if child.retry_at is None:
            self._pause(child, "ended", now)
        elif now >= child.retry_at:
            try:
                child.process = self.processes.start(child.service.start)
            except OSError as error:  # the disk is full: it may not stay so
                self._pause(child, f"cannot be started ({error})", now)
            else:
                child.started_at, child.retry_at = now, None

    def _pause(self, child: Child, why: str, now: float) -> None:
        pause = BACKOFF[min(child.restarts, len(BACKOFF) - 1)]
        log.warning("%s %s; it starts again in %g s", child.service.name, why, pause)
        child.restarts, child.retry_at = child.restarts + 1, now + pause

    def _begin(self, service: Service) -> ProcessInfo:
        process = self.processes.get(service.name)
        if process is not None and process.alive:
            log.info("%s is already running (pid %d); adopted", service.name, process.pid)
            return process
        return self.processes.start(service.start)


def _adopt_orphans() -> None:
    # Model servers of a killed controller come to us, so that their corpses can be cleared away.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _reap_orphans(mine: set[int]) -> None:
    for child in psutil.Process().children():
        with suppress(psutil.Error, ChildProcessError):
            if child.pid not in mine and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


def main() -> None:
    """Run the services of the settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with entry_points.exit_with_message():
        settings = Settings.read()
        prepare(settings)
        supervisor = Supervisor(service_plan(settings), ProcessFolder(settings.home / "run"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        supervisor.run()


def start(settings: Settings) -> ProcessInfo:
    """Start the supervisor, detached from this terminal."""
    from tidemill.adapters.local.processes import python_command

    environment = {
        **{name: os.environ.get(name, value) for name, value in SHARING.items()},
        "TIDEMILL_SPECS": str(settings.specs),
        "TIDEMILL_HOME": str(settings.home),
    }
    command = python_command("-m", entry_points.SUPERVISOR)
    return ProcessFolder(settings.home / "run").start(
        ProcessSpec("supervisor", command, environment=environment)
    )


if __name__ == "__main__":
    main()
