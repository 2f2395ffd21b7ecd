"""Starts and stops the services of a home, and says what stands against them: `up` and `down`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx
from filelock import FileLock

from tidemill.adapters.apprise_destination import open_destinations
from tidemill.adapters.local.processes import ProcessFolder, ProcessInfo, effort, is_listening, tail
from tidemill.engine.standstill import Signs, Standstill
from tidemill.errors import ServiceError
from tidemill.home import Home, check_writable
from tidemill.local import supervisor
from tidemill.local.service_ports import ports
from tidemill.local.services import Service, prepare, service_plan
from tidemill.progress import Progress
from tidemill.settings import Settings

STARTS = 4
"""Ends of a service before it was ever ready, after which it is given up."""

_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
  locationOrLoadError { __typename ... on PythonError { message } } } } } }"""

_RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "tidemill") {
  ... on WorkspaceLocationEntry { locationOrLoadError { ... on PythonError { message } } }
  ... on ReloadNotSupported { message } ... on RepositoryLocationNotFound { message }
  ... on UnauthorizedError { message } ... on PythonError { message } } }"""


def is_running(settings: Settings) -> bool:
    """True where this home's supervisor runs."""
    process = ProcessFolder(settings.home / "run").get("supervisor")
    return process is not None and process.alive


def start_stack(settings: Settings, say: Progress, timeout: float) -> None:
    """Start the supervisor and wait for every service; on failure, which is when one that is
    waited for ends or does nothing for `timeout` seconds, what it started is stopped.

    Where a remote is followed, they serve the specs of the commit that was applied last.
    """
    settings = settings.with_applied_specs
    check_writable(settings.home, "run")
    processes = ProcessFolder(settings.home / "run")
    # Of two `tidemill up` at once the second finds the first one's supervisor; the system frees the
    # lock of one that is killed.
    with FileLock(processes.run / "up.lock", fallback_to_soft=False):
        guard = processes.get("supervisor")
        mine = guard is None or not guard.alive
        if guard is None or mine:
            guard = _start(settings, processes)
    try:
        _await(service_plan(settings), processes, guard, say, timeout)
    except (ServiceError, KeyboardInterrupt):
        if mine:
            stop_stack(settings)
        raise


def _start(settings: Settings, processes: ProcessFolder) -> ProcessInfo:
    open_destinations(settings.notify)  # raises where the sender could only log it
    running = {p.name for p in processes.list_all() if p.alive}
    for port in ports(settings):
        if port.service not in running:
            port.check()
    Home(settings).prepare_ledger()
    prepare(settings)
    return supervisor.start(settings)


def stop_stack(settings: Settings) -> int:
    """Stop the supervisor first (it would restart the others), then all that is left."""
    processes = ProcessFolder(settings.home / "run")
    count = len([p for p in processes.marked_processes() if p.pid != os.getpid()])
    guard = processes.get("supervisor")
    if guard is not None and (process := guard.process()) is not None:
        process.terminate()
        with suppress(Exception):
            process.wait(20)
        processes.stop(guard)
    processes.stop_all()
    ProcessFolder(settings.home / "run", "models").stop_all()
    return count


def addresses(settings: Settings) -> dict[str, str]:
    """Addresses of the services, by name."""
    gateway = f"http://{settings.host}:{settings.gateway_port}"
    return {
        "gateway": f"{gateway}/SERVICE/openai/v1/chat/completions",
        "dagster": f"http://{settings.host}:{settings.dagster_port}",
        "kafka": settings.brokers,
    }


def broker_error(settings: Settings) -> str | None:
    """A message where the configured broker does not answer; None where it does, or is our own."""
    servers = settings.bootstrap_servers
    if not servers or any(is_listening(server.strip()) for server in servers.split(",")):
        return None
    return (
        f"no Kafka broker answers at {servers}; feedback is taken in once one does (it is named "
        "in TIDEMILL_BOOTSTRAP_SERVERS; without that an embedded one starts)"
    )


def assets_error(settings: Settings) -> str | None:
    """The error with which Dagster failed to load the assets, in a line; None without one."""
    url = f"http://{settings.host}:{settings.dagster_port}/graphql"
    try:
        answer = httpx.post(url, json={"query": _LOCATIONS}, timeout=30, trust_env=False).json()
        entries = answer["data"]["workspaceOrError"]["locationEntries"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"Dagster's webserver did not report whether the assets are loaded ({error!r})"
    messages = [(entry["locationOrLoadError"] or {}).get("message") for entry in entries]
    lines = [line for text in messages if text for line in text.strip().splitlines()]
    # Right after the start the code server listens but has not imported the assets yet.
    return next((line for line in lines if "UNAVAILABLE" not in line), None)


def reload_assets(settings: Settings, patience: float = 120.0) -> str | None:
    """Have Dagster read the specs anew; gives what stands against it, in a line.

    With less `patience` (seconds) than loading takes it is on its way, and nothing is known.
    """
    url = f"http://{settings.host}:{settings.dagster_port}/graphql"
    try:
        answer = httpx.post(url, json={"query": _RELOAD}, timeout=patience, trust_env=False).json()
        result = answer["data"]["reloadRepositoryLocation"]
    except httpx.ReadTimeout:
        return None
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return f"Dagster's webserver did not reload the assets ({error!r})"
    trouble = result.get("message") or (result.get("locationOrLoadError") or {}).get("message")
    return trouble.strip().splitlines()[0] if trouble else None


def _await(
    services: Sequence[Service],
    processes: ProcessFolder,
    guard: ProcessInfo,
    say: Progress,
    timeout: float,
) -> None:
    for count, service in enumerate(services):
        say(f"starting {service.title}", done=count, total=len(services))
        log = processes.run / f"{service.name}.log"
        pids: set[int] = set()
        still = Standstill(time.monotonic(), Signs(), timeout)
        while not _is_up(service, processes):
            if not guard.alive:
                raise ServiceError(f"the supervisor ended: {tail(guard.log)}")
            process = processes.get(service.name)
            pids |= {process.pid} if process else set()
            still = still.look(
                effort([process.process()]) if process else Signs(), time.monotonic()
            )
            if len(pids) > STARTS or still.over(time.monotonic()):
                gone = f"ended {STARTS} times" if len(pids) > STARTS else f"idle for {timeout:g} s"
                raise ServiceError(
                    f"{service.title} is not ready ({gone}); see {log}: {tail(str(log))}"
                )
            time.sleep(0.1)
    say("everything is ready", done=len(services), total=len(services))


def _is_up(service: Service, processes: ProcessFolder) -> bool:
    process = processes.get(service.name)
    return process is not None and process.alive and service.ready()
