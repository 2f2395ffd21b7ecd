"""Releases as processes of this machine, behind the local gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tidemill import entry_points
from tidemill.adapters.local.processes import Processes, Running, Start, free_port, python
from tidemill.adapters.local.routing import FILE, Route, RouteFile, shares
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth

_SERVER = ("-m", entry_points.MODEL_SERVER)


@dataclass
class LocalDeployer:
    """Model servers by (service, release); their files in `run/models` survive this process."""

    home: Path
    gateway: str
    """URL of the gateway."""
    brokers: str | None = None
    """Where model servers write their events; None for nowhere."""
    command: Sequence[str] = field(default_factory=lambda: python(*_SERVER))
    """What runs a release folder; gets `--release-folder`, `--port` and `--brokers`."""
    ready_timeout: float = 120.0
    """Seconds that a model server may do nothing at all before it is given up."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> Processes:
        """The model servers' files and logs."""
        return Processes(self.home / "run", "models")

    def start(self, service: str, release: str, folder: Path) -> Arm:
        """Bring a release up at 0 %; one that runs already stays as it is."""
        name = _name(service, release)
        known = self.processes.get(name)
        if known is not None and known.alive:  # a busy one may take its time: it is not killed
            self.processes.await_ready(known, lambda: _ready(known.url), self.ready_timeout)
            return Arm(release, 0.0, known.url)
        return Arm(release, 0.0, self._spawn(name, service, release, folder).url)

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Write the routes, then read back what the gateway goes by."""
        route = Route(tuple(arms), "shadow" if shadow else "split") if arms else None
        RouteFile(self.home / FILE).set(service, route)
        seen = self._arms(service, 0.0)
        if shares(arms) != {release: values["percent"] for release, values in seen.items()}:
            raise ServiceError(f"{service}: the gateway at {self.gateway} has other shares: {seen}")

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """What the gateway counted for each release since a moment."""
        known = ArmHealth.__dataclass_fields__
        return {
            release: ArmHealth(**{k: v for k, v in values.items() if k in known})
            for release, values in self._arms(service, since.timestamp()).items()
        }

    def serving(self, service: str) -> dict[str, float]:
        """Percent by release that the gateway goes by; raises ServiceError where it is down."""
        seen = self._arms(service, 0.0)
        return {release: float(values["percent"]) for release, values in seen.items()}

    def down(self, service: str, releases: Iterable[str]) -> tuple[str, ...]:
        """Those whose model server does not run."""
        known = {name: self.processes.get(_name(service, name)) for name in releases}
        return tuple(name for name, running in known.items() if not (running and running.alive))

    def stop(self, service: str, release: str) -> None:
        """Take a release down; it must have no traffic."""
        route = RouteFile(self.home / FILE).read().get(service)
        arms = route.arms if route else ()
        for arm in arms:
            if arm.release == release and (arm.percent > 0 or len(arms) == 1):
                raise ServiceError(f"{service}: {release} has traffic; split it away first")
        known = self.processes.get(_name(service, release))
        if known is not None:
            self.processes.stop(known)

    def _spawn(self, name: str, service: str, release: str, folder: Path) -> Running:
        port = free_port()
        arguments = ["--release-folder", str(folder), "--port", str(port)]
        if self.brokers:
            arguments += ["--brokers", self.brokers]
        running = self.processes.start(
            Start(
                name,
                [*self.command, *arguments],
                url=f"http://127.0.0.1:{port}",
                environment=self.environment,
                facts={"service": service, "release": release, "folder": str(folder)},
            )
        )
        try:
            self.processes.await_ready(running, lambda: _ready(running.url), self.ready_timeout)
        except ServiceError as error:
            self.processes.stop(running, grace=1)
            raise ServiceError(f"release {release[:19]} of {service}: {error}") from None
        return running

    def _arms(self, service: str, since: float) -> dict[str, dict[str, Any]]:
        query = {"service": service, "since": repr(since)}
        try:
            answer = _client().get(f"{self.gateway}/-/arms", params=query, timeout=30)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceError(
                f"the gateway at {self.gateway} does not answer ({error}); see `tidemill status`"
            ) from None
        found = answer.json().get(service, {"arms": []})
        return {arm["release"]: arm for arm in found["arms"]}


@cache
def _client() -> httpx.Client:
    """For this machine's own servers, never through a proxy.

    `httpx.get` reads the certificates of the world every time, which was nearly all that a
    controller with nothing to do did (25 ms a request).
    """
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(verify=False, trust_env=False, limits=alone)  # noqa: S501 - plain HTTP


def _name(service: str, release: str) -> str:
    return f"{service}@{release.removeprefix('sha256:')[:12]}"


def _ready(url: str) -> bool:
    try:
        return _client().get(f"{url}/v2/health/ready", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False
