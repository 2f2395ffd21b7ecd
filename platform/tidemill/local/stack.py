"""Starts, stops and inspects the services of a home: `tidemill up`, `down` and `status`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
from filelock import FileLock

from tidemill.adapters.local.processes import ProcessFolder, ProcessInfo, effort, is_listening, tail
from tidemill.engine.standstill import Signs, Standstill
from tidemill.errors import BrokerDown, ServiceError, TidemillError
from tidemill.home import Home, check_writable, has_ledger
from tidemill.local import supervisor
from tidemill.local.service_ports import ports
from tidemill.local.services import Service, prepare, service_plan
from tidemill.local.status import (
    FollowedBranch,
    IngestStatus,
    OrphanService,
    ProcessStatus,
    ServiceRollouts,
    StackStatus,
)
from tidemill.progress import Progress
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.plan import PlanEntry
    from tidemill.engine.service_status import ServiceStatus
    from tidemill.records import RolloutRecord


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


def stack_status(settings: Settings) -> StackStatus:
    """What runs, what is live, which assets are not up to date, and where Git, ledger and live
    differ."""
    run = settings.home / "run"
    processes = [*ProcessFolder(run).list_all(), *ProcessFolder(run, "models").list_all()]
    ledger = _open_ledger(settings)
    statuses, trouble = _service_statuses(settings) if ledger else ((), "")
    return StackStatus(
        home=str(settings.home),
        is_running=is_running(settings),
        processes=tuple(map(_process, processes)),
        services=_services(ledger) if ledger else (),
        ingest=_ingest(settings, ledger) if ledger else None,
        git=_followed_branch(settings, ledger) if ledger else None,
        assets=_assets(settings) if ledger else (),
        statuses=statuses,
        trouble=trouble,
    )


def _open_ledger(settings: Settings) -> Ledger | None:
    if not has_ledger(settings):
        return None
    from tidemill.adapters.ledger import Ledger

    return Ledger.open(settings.ledger_url)


def _service_statuses(settings: Settings) -> tuple[tuple[ServiceStatus, ...], str]:
    """The three sides of each service; or why they cannot be had."""
    from tidemill.control.drift_report import standings
    from tidemill.control.observed_traffic import seeing

    home = Home(settings)
    try:
        return tuple(standings(home, seeing(home))), ""
    except TidemillError as error:
        return (), str(error)


def _assets(settings: Settings) -> tuple[PlanEntry, ...]:
    """Assets that are not up to date; empty where that is not known."""
    from tidemill.planning.recorded_state import out_of_date

    try:
        return out_of_date(Home(settings))
    except TidemillError:
        return ()  # `trouble` says what is wrong with the specs


def _process(process: ProcessInfo) -> ProcessStatus:
    release = process.metadata.get("release")
    return ProcessStatus(
        process.name,
        process.alive,
        process.pid,
        process.url,
        process.log,
        None if release is None else str(release),
    )


def _services(ledger: Ledger) -> tuple[ServiceRollouts, ...]:
    rollouts = ledger.rollouts
    return tuple(
        ServiceRollouts(
            service=service,
            live=rollouts.live_release(service),
            retired=tuple(rollout.release for rollout in rollouts.retired_rollouts(service)),
            question=_question(rollouts.live_rollout(service)),
            in_progress=tuple(rollouts.in_progress(service)),
        )
        for service in rollouts.services()
    )


def _question(live: RolloutRecord | None) -> str:
    """What the live release asks a person; empty where it asks nothing."""
    return live.reason if live is not None and live.awaits_person else ""


def _followed_branch(settings: Settings, ledger: Ledger) -> FollowedBranch | None:
    poll, newest = ledger.syncs.last_poll(), ledger.syncs.newest()
    if poll is None:
        return None
    applied = next(iter(ledger.syncs.applied_commits()), None)
    return FollowedBranch(poll, newest, applied, _orphans(settings, ledger) if applied else ())


def _orphans(settings: Settings, ledger: Ledger) -> tuple[OrphanService, ...]:
    """Services that are live though the applied commit has no rollout of theirs any more."""
    from tidemill.spec.load import read

    specs = settings.git_home / "current" / settings.git_folder
    orphans = []
    for service in ledger.rollouts.services():
        digest = ledger.rollouts.live_release(service)
        record = ledger.materialisations.release(digest) if digest else None
        if record is None:
            continue
        folder = specs / record.project
        projects = read(folder).workspace.projects if folder.is_dir() else {}
        names = {name for project in projects.values() for name in project.specs}
        if record.rollout not in names:
            orphans.append(OrphanService(service, record.project))
    return tuple(orphans)


def _ingest(settings: Settings, ledger: Ledger) -> IngestStatus:
    """Stored events, the state of ingest, and its lag in records."""
    from tidemill.control.ingest import read_heartbeat

    counts = ledger.events.event_counts()
    beat = read_heartbeat(settings.home) or {"state": "never ran", "trouble": ""}
    process = ProcessFolder(settings.home / "run").get("ingest")
    down = process is not None and not process.alive  # killed, it left its last word behind
    lag, trouble = _lag(settings, ledger)
    return IngestStatus(
        events={name: count for name, count in counts.items() if name != "read"},
        next_offsets=counts["read"],
        state="down" if down else beat["state"],
        trouble=trouble or beat["trouble"],
        lag=lag,
    )


def _lag(settings: Settings, ledger: Ledger) -> tuple[int | None, str]:
    """Records that are not read yet; None, and why, where no broker answers."""
    from tidemill.adapters.kafka import open_bus

    if not any(is_listening(server.strip()) for server in settings.brokers.split(",")):
        return None, broker_error(settings) or _own_broker(settings)
    read, bus = ledger.events.next_offsets(), open_bus(settings, timeout=3)
    try:
        spans = {topic: bus.partitions(topic) for topic in {topic for topic, _ in read}}
        lag = sum(max(0, spans[t][p].end - at) for (t, p), at in read.items() if p in spans[t])
        return lag, ""
    except BrokerDown as error:
        return None, str(error)
    finally:
        bus.close()


def _own_broker(settings: Settings) -> str:
    log = settings.home / "run" / "broker.log"
    way_out = (
        f"it is started again, see {log}" if is_running(settings) else "`tidemill up` starts it"
    )
    return f"this home's own broker does not answer at {settings.brokers}; {way_out}"


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
