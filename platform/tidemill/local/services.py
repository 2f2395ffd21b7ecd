"""The services of one home: how each is started, where it listens, when it is ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from tidemill import entry_points
from tidemill.adapters.git.worktrees import prepare_current
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.local.processes import (
    ProcessSpec,
    free_port,
    is_listening,
    python_command,
)
from tidemill.local import dagster_home
from tidemill.settings import LOOPBACK, Settings

_direct = build_opener(ProxyHandler({}))
"""Our own addresses are never behind the proxy that a company's environment names."""


@dataclass(frozen=True)
class Service:
    """One process of `tidemill up`."""

    start: ProcessSpec
    title: str
    """For people: what it is."""
    ready: Callable[[], bool]

    @property
    def name(self) -> str:
        """Name of its files in the run folder."""
        return self.start.name


def service_plan(settings: Settings) -> list[Service]:
    """All services, in the order in which they start."""
    services = [] if settings.bootstrap_servers else [_broker(settings)]
    code = _code_port(settings)
    return [
        *services,
        _ingest(settings),
        _gateway(settings),
        _controller(settings),
        _code(settings, code),
        _webserver(settings),
        _daemon(settings),
    ]


def prepare(settings: Settings) -> None:
    """Folders and files the services need; Dagster's are written only when they differ."""
    dagster_home.open_storages(settings)
    prepare_current(settings)
    (settings.home / "run").mkdir(parents=True, exist_ok=True)
    _write(settings.home / "workspace.yaml", _WORKSPACE.format(port=_code_port(settings)))


def _broker(settings: Settings) -> Service:
    url = f"{LOOPBACK}:{settings.broker_port}"
    command = EmbeddedBroker.command(LOOPBACK, settings.broker_port)
    start = ProcessSpec("broker", command, url)
    return Service(start, "the embedded Kafka broker", lambda: is_listening(url))


def _ingest(settings: Settings) -> Service:
    start = _start(settings, "ingest", python_command("-m", entry_points.INGEST))
    return Service(start, "the ingest", _always)


def _gateway(settings: Settings) -> Service:
    url = f"http://{settings.host}:{settings.gateway_port}"
    arguments = ("--home", str(settings.home), "--host", settings.host)
    command = python_command(
        "-m", entry_points.GATEWAY, *arguments, "--port", str(settings.gateway_port)
    )
    start = _start(settings, "gateway", command, url)
    return Service(start, "the gateway", lambda: responds(f"{url}/-/health"))


def _controller(settings: Settings) -> Service:
    start = _start(settings, "controller", python_command("-m", entry_points.ROLLOUTS))
    return Service(start, "the rollout controller", _always)


def _code(settings: Settings, port: int) -> Service:
    url = f"{LOOPBACK}:{port}"
    command = python_command("-m", entry_points.CODE_SERVER, "-h", LOOPBACK, "-p", str(port))
    start = _start(settings, "code", command, url, _dagster(settings))
    return Service(start, "the assets (Dagster code server)", lambda: is_listening(url))


def _webserver(settings: Settings) -> Service:
    url = f"http://{settings.host}:{settings.dagster_port}"
    workspace = ("-w", str(settings.home / "workspace.yaml"))
    listen = ("-h", settings.host, "-p", str(settings.dagster_port))
    command = python_command("-m", "dagster_webserver", *workspace, *listen)
    start = _start(settings, "webserver", command, url, _dagster(settings))
    return Service(start, "Dagster's webserver", lambda: responds(f"{url}/server_info"))


def _daemon(settings: Settings) -> Service:
    workspace = ("-w", str(settings.home / "workspace.yaml"))
    command = python_command("-m", "dagster._daemon", "run", *workspace)
    start = _start(settings, "daemon", command, "", _dagster(settings))
    return Service(start, "Dagster's daemon", _always)


def _start(
    settings: Settings,
    name: str,
    command: list[str],
    url: str = "",
    more: Mapping[str, str] | None = None,
) -> ProcessSpec:
    environment = {
        "TIDEMILL_SPECS": str(settings.specs),
        "TIDEMILL_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
    }
    return ProcessSpec(name, command, url, environment)


def _dagster(settings: Settings) -> dict[str, str]:
    home = str(settings.home / "dagster")
    return {"DAGSTER_HOME": home, "DAGSTER_DISABLE_TELEMETRY": "1", **_UNHURRIED}


_UNHURRIED = {
    "DAGSTER_GRPC_TIMEOUT_SECONDS": "600",
    "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS": "1200",
    "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
    "DAGSTER_PROXY_SERVER_HEARTBEAT_TIMEOUT": "300",
}
"""Dagster's own limits (60, 180, 60 and 30 s) give up what a slow, busy machine is still doing."""


def _code_port(settings: Settings) -> int:
    """A free port, chosen once for each home."""
    path = settings.home / "run" / "code.port"
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
        port = free_port()
        _write(path, str(port))
        return port


def responds(url: str) -> bool:
    """True where a GET gives 200."""
    try:
        with _direct.open(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError, ValueError):
        return False


def _always() -> bool:
    return True


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)


_WORKSPACE = """\
# Written by `tidemill up`.
load_from:
  - grpc_server:
      host: "127.0.0.1"
      port: {port}
      location_name: tidemill
"""
