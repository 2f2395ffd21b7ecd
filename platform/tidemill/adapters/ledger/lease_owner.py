"""Names a process as the owner of a lease, so that another process can tell when it has died."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil

from tidemill.adapters.ledger.leases import LeaseLedger


def current_owner() -> str:
    """A name for this process that no other caller has: host, process id, start time and a random
    word."""
    process = psutil.Process()
    return f"{_host()} {process.pid} {process.create_time():.2f} {os.urandom(4).hex()}"


def has_ended(owner: str) -> bool:
    """True for a process of this machine that has ended; False for one of another machine, which
    cannot be checked from here, and for an owner that is no process."""
    match owner.split(" "):
        case [host, pid, created, _] if host == _host() and pid.isdecimal():
            with suppress(psutil.Error):
                process = psutil.Process(int(pid))
                reused = abs(process.create_time() - float(created)) >= 0.02
                return reused or process.status() == psutil.STATUS_ZOMBIE
            return True
        case _:
            return False


def free_dead_lease(leases: LeaseLedger, name: str, now: datetime) -> None:
    """Free a lease whose owner was killed, without waiting until it expires."""
    holder = leases.holder(name, now)
    if holder and has_ended(holder):
        leases.release_lease(name, holder)


def _host() -> str:
    """The machine, and on it the container: process numbers mean something only there."""
    with suppress(OSError):
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').readlink().name}"
    return socket.gethostname()
