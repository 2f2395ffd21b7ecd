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
from tidemill.adapters.local.processes import Processes, Running, Start
from tidemill.local.services import Service, plan, prepare
from tidemill.machine import SHARING
from tidemill.settings import Settings

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the first, second … restart in a row."""
STEADY = 60.0
"""A child that ran this long starts again from the first pause."""
LOOK = 0.5
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
log = logging.getLogger(__name__)


@dataclass
class Child:
    """A service and the process that runs it now."""

    service: Service
    running: Running
    since: float
    falls: int = 0
    again: float | None = None


class Supervisor:
    """Keeps services running until told to stop."""

    def __init__(self, services: Sequence[Service], processes: Processes) -> None:
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
        while not self.stopping.wait(LOOK):
            for child in self.children:
                self.look(child)
            _reap_orphans({child.running.pid for child in self.children})
        for child in reversed(self.children):
            self.processes.stop(child.running)
        self.processes.stop_all()

    def look(self, child: Child) -> None:
        """Start a child again that ended, after its pause."""
        now = time.monotonic()
        if child.running.alive:
            if child.falls and now - child.since > STEADY:
                child.falls = 0
            return
        if child.again is None:
            self._pause(child, "ended", now)
        elif now >= child.again:
            try:
                child.running = self.processes.start(child.service.start)
            except OSError as error:  # the disk is full: it may not stay so
                self._pause(child, f"cannot be started ({error})", now)
            else:
                child.since, child.again = now, None

    def _pause(self, child: Child, why: str, now: float) -> None:
        pause = PAUSES[min(child.falls, len(PAUSES) - 1)]
        log.warning("%s %s; it starts again in %g s", child.service.name, why, pause)
        child.falls, child.again = child.falls + 1, now + pause

    def _begin(self, service: Service) -> Running:
        known = self.processes.get(service.name)
        if known is not None and known.alive:
            log.info("%s runs already (pid %d); taken over", service.name, known.pid)
            return known
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
        supervisor = Supervisor(plan(settings), Processes(settings.home / "run"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        supervisor.run()


def start(settings: Settings) -> Running:
    """Start the supervisor, detached from this terminal."""
    from tidemill.adapters.local.processes import python

    environment = {
        **{name: os.environ.get(name, value) for name, value in SHARING.items()},
        "TIDEMILL_SPECS": str(settings.specs),
        "TIDEMILL_HOME": str(settings.home),
    }
    command = python("-m", entry_points.SUPERVISOR)
    return Processes(settings.home / "run").start(
        Start("supervisor", command, environment=environment)
    )


if __name__ == "__main__":
    main()
