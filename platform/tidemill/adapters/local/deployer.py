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
from tidemill.adapters.local.processes import (
    ProcessFolder,
    ProcessInfo,
    ProcessSpec,
    free_port,
    python_command,
)
from tidemill.adapters.local.routing import FILE, Route, RouteFile, shares
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth

_SERVER = ("-m", entry_points.MODEL_SERVER)


@dataclass(frozen=True)
class _ServedArm:
    """One arm as the gateway reports it."""

    percent: float
    health: ArmHealth

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> _ServedArm:
        """From the gateway's JSON."""
        return cls(float(raw["percent"]), ArmHealth.from_dict(raw))


@dataclass
class LocalDeployer:
    """Model servers by (service, release); their files in `run/models` survive this process."""

    run_folder: Path
    gateway: str
    """URL of the gateway."""
    brokers: str | None = None
    """Kafka brokers for the model servers' events; None: no events."""
    command: Sequence[str] = field(default_factory=lambda: python_command(*_SERVER))
    """Command that serves a release folder; gets `--release-folder`, `--port` and `--brokers`."""
    ready_timeout: float = 120.0
    """Seconds that a model server may do nothing at all before it is given up."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> ProcessFolder:
        """The model servers' files and logs."""
        return ProcessFolder(self.run_folder / "run", "models")

    def start(self, service: str, release: str, folder: Path) -> Arm:
        """Bring a release up at 0 %; one that runs already stays as it is."""
        name = _name(service, release)
        process = self.processes.get(name)
        if process is not None and process.alive:  # a busy one may take its time: it is not killed
            self.processes.await_ready(process, lambda: _ready(process.url), self.ready_timeout)
            return Arm(release, 0.0, process.url)
        return Arm(release, 0.0, self._spawn(name, service, release, folder).url)

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Write the routes, then read back what the gateway goes by."""
        route = Route(tuple(arms), "shadow" if shadow else "split") if arms else None
        RouteFile(self.run_folder / FILE).set(service, route)
        used = self._arms(service, 0.0)
        percents = {release: arm.percent for release, arm in used.items()}
        if shares(arms) != percents:
            raise ServiceError(
                f"{service}: the gateway at {self.gateway} reports other traffic shares: {percents}"
            )

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """Requests, errors and latencies by release since a moment, as the gateway counted them."""
        arms = self._arms(service, since.timestamp())
        return {release: arm.health for release, arm in arms.items()}

    def traffic_shares(self, service: str) -> dict[str, float]:
        """Percent by release that the gateway goes by; raises ServiceError where it is down."""
        arms = self._arms(service, 0.0)
        return {release: arm.percent for release, arm in arms.items()}

    def stopped_releases(self, service: str, releases: Iterable[str]) -> tuple[str, ...]:
        """Those whose model server does not run."""
        processes = {name: self.processes.get(_name(service, name)) for name in releases}
        return tuple(name for name, running in processes.items() if not (running and running.alive))

    def stop(self, service: str, release: str) -> None:
        """Take a release down; it must have no traffic."""
        route = RouteFile(self.run_folder / FILE).read().get(service)
        arms = route.arms if route else ()
        for arm in arms:
            if arm.release == release and (arm.percent > 0 or len(arms) == 1):
                raise ServiceError(
                    f"{service}: release {release} still has traffic; move the traffic first"
                )
        process = self.processes.get(_name(service, release))
        if process is not None:
            self.processes.stop(process)

    def _spawn(self, name: str, service: str, release: str, folder: Path) -> ProcessInfo:
        port = free_port()
        arguments = ["--release-folder", str(folder), "--port", str(port)]
        if self.brokers:
            arguments += ["--brokers", self.brokers]
        running = self.processes.start(
            ProcessSpec(
                name,
                [*self.command, *arguments],
                url=f"http://127.0.0.1:{port}",
                environment=self.environment,
                metadata={"service": service, "release": release, "folder": str(folder)},
            )
        )
        try:
            self.processes.await_ready(running, lambda: _ready(running.url), self.ready_timeout)
        except ServiceError as error:
            self.processes.stop(running, grace=1)
            raise ServiceError(f"release {release[:19]} of {service}: {error}") from None
        return running

    def _arms(self, service: str, since: float) -> dict[str, _ServedArm]:
        query = {"service": service, "since": repr(since)}
        try:
            answer = _client().get(f"{self.gateway}/-/arms", params=query, timeout=30)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceError(
                f"the gateway at {self.gateway} does not answer ({error}); see `tidemill status`"
            ) from None
        state = answer.json().get(service, {"arms": []})
        return {arm["release"]: _ServedArm.from_dict(arm) for arm in state["arms"]}


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
