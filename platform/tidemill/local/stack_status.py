"""Reads the status of a home: processes, services, ingest, the followed branch, assets, drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.local.processes import ProcessFolder, ProcessInfo, is_listening
from tidemill.engine.rejected_candidate import REJECTED_STATES
from tidemill.errors import BrokerDown, TidemillError
from tidemill.home import Home
from tidemill.local.stack import broker_error, is_running
from tidemill.local.status import (
    FollowedBranch,
    IngestStatus,
    OrphanService,
    ProcessStatus,
    ServiceRollouts,
    StackStatus,
)
from tidemill.local.work_reading import stopped_rollouts, work_status
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.plan import PlanEntry
    from tidemill.records import RolloutRecord


def stack_status(settings: Settings) -> StackStatus:
    """What runs, what is live, which assets are not up to date, and where Git, ledger and live
    differ."""
    from tidemill.control.observed_traffic import ServiceStates, service_states

    run = settings.home / "run"
    processes = [*ProcessFolder(run).list_all(), *ProcessFolder(run, "models").list_all()]
    ledger = _open_ledger(settings)
    states = service_states(settings) if ledger else ServiceStates()
    return StackStatus(
        home=str(settings.home),
        is_running=is_running(settings),
        processes=tuple(map(_process, processes)),
        services=_services(ledger) if ledger else (),
        ingest=_ingest(settings, ledger) if ledger else None,
        git=_followed_branch(settings, ledger) if ledger else None,
        work=work_status(ledger, settings.notify, SystemClock().now()) if ledger else None,
        assets=_assets(settings) if ledger else (),
        statuses=states.statuses,
        trouble=states.error,
    )


def _open_ledger(settings: Settings) -> Ledger | None:
    if not settings.has_ledger:
        return None
    from tidemill.adapters.ledger import Ledger

    return Ledger.open(settings.ledger_url)


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
            stopped=stopped_rollouts(ledger, service),
            may_retry=any(r.state in REJECTED_STATES for r in rollouts.newest(service, 1)),
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
    from tidemill.control.ingest import Heartbeat, read_heartbeat

    counts = ledger.events.event_counts()
    beat = read_heartbeat(settings.home) or Heartbeat()
    process = ProcessFolder(settings.home / "run").get("ingest")
    down = process is not None and not process.alive  # killed, it left its last word behind
    lag, trouble = _lag(settings, ledger)
    return IngestStatus(
        events={name: count for name, count in counts.items() if isinstance(count, int)},
        next_offsets=counts["read"],
        state="down" if down else beat.state,
        trouble=trouble or beat.trouble,
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
