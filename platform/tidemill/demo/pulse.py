"""What moves in the demo's home while it waits: records, runs, checkpoints, processor time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tidemill.adapters.local.processes import ProcessFolder, effort
from tidemill.engine.standstill import Signs
from tidemill.home import Home

_RUN_FILES = ("dagster/history/runs", "scratch")
"""Folders that only a run writes to: its events, its checkpoints and unfinished artefacts."""


def signs(home: Home, project: str, service: str) -> Signs:
    """Signs of progress. The logs and records of services that only tick are none of them."""
    done = effort([*runs(home.settings.home), *servers(home.settings.home)])
    return Signs(
        (records(home, project, service), files(home.settings.home), done.marks), done.work
    )


def records(home: Home, project: str, service: str) -> tuple[object, ...]:
    """What the ledger holds of the project: made assets, decisions, releases, rollouts, events."""
    ledger = home.ledger
    newest_build = max(
        (making.id for making in ledger.materialisations.history(project, limit=1)), default=0
    )
    fired = tuple(
        (decided.key, decided.state)
        for decisions in (
            ledger.trigger_decisions.queued_decisions(),
            ledger.trigger_decisions.running_decisions(),
        )
        for decided in decisions
    )
    rollouts = tuple(
        (rollout.id, rollout.state, rollout.percent, rollout.reason)
        for rollout in ledger.rollouts.newest(service, limit=2)
    )
    counts = tuple(sorted(ledger.events.event_counts().items()))
    return (newest_build, len(ledger.materialisations.releases(service)), fired, rollouts, counts)


def files(home: Path) -> tuple[tuple[str, int], ...]:
    """Names and sizes of what runs write."""
    sizes = []
    for path in (path for folder in _RUN_FILES for path in sorted((home / folder).rglob("*"))):
        with suppress(OSError):  # it may be gone by now
            sizes.append((str(path), path.stat().st_size))
    return tuple(sizes)


def runs(home: Path) -> Iterator[psutil.Process]:
    """Processes of Dagster's runs: what the code server's own server started."""
    code = ProcessFolder(home / "run").get("code")
    proxy = code.process() if code else None
    with suppress(psutil.Error):
        for server in proxy.children() if proxy else ():
            yield from server.children()


def servers(home: Path) -> Iterator[psutil.Process]:
    """The model servers."""
    for record in ProcessFolder(home / "run", "models").list_all():
        process = record.process()
        if process is not None:
            yield process
