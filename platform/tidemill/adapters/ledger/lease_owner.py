"""Names a process as the holder of a lease, so that another can tell when it has died."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil

from tidemill.adapters.ledger.leases import LeaseLedger


def me() -> str:
    """Host, process, start time and a random word: no two callers share it, on whatever machine."""
    process = psutil.Process()
    return f"{_host()} {process.pid} {process.create_time():.2f} {os.urandom(4).hex()}"


def gone(owner: str) -> bool:
    """True for a process of this machine that has ended; False for one elsewhere, of which nothing
    is known here, and for an owner that is no process."""
    match owner.split(" "):
        case [host, pid, created, _] if host == _host() and pid.isdecimal():
            with suppress(psutil.Error):
                process = psutil.Process(int(pid))
                other = abs(process.create_time() - float(created)) >= 0.02
                return other or process.status() == psutil.STATUS_ZOMBIE
            return True
        case _:
            return False


def free(leases: LeaseLedger, name: str, now: datetime) -> None:
    """Free a lease whose holder was killed, without waiting until it runs out."""
    holder = leases.holder(name, now)
    if holder and gone(holder):
        leases.give_up(name, holder)


def _host() -> str:
    """The machine, and on it the container: process numbers mean something only there."""
    with suppress(OSError):
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').readlink().name}"
    return socket.gethostname()
