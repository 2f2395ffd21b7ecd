"""Dagster's own folder below a home: written once, named in the environment of every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tidemill.machine import SHARING
from tidemill.settings import Settings

_CONFIG = """\
# Written by Tidemill when it is missing; change it as you like, it is not written again.
telemetry:
  enabled: false
nux:
  enabled: false
run_queue:
  max_concurrent_runs: 1
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 1800 # a slow, busy machine imports for minutes before a run begins
"""

_OPEN = """\
from dagster import DagsterInstance
with DagsterInstance.get() as it:
    it.run_storage, it.event_log_storage, it.schedule_storage
"""


def prepare(settings: Settings) -> Path:
    """Make DAGSTER_HOME with its `dagster.yaml`; gives the folder."""
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dagster.yaml"
    if not path.exists():
        fresh = folder / f".dagster.yaml.{os.getpid()}"
        fresh.write_text(_CONFIG)
        fresh.replace(path)
    return folder


def open_storages(settings: Settings) -> None:
    """Make Dagster's databases before several of its processes do: two that make one at once each
    enter its version, and with two versions it is never read again.

    Nothing where they are there; what goes wrong is told by the services, which try it again.
    """
    if not (prepare(settings) / "schedules" / "schedules.db").exists():
        opening = [sys.executable, "-c", _OPEN]
        subprocess.run(opening, env=environment(settings), capture_output=True, check=False)


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that works in this home; secrets are passed on as they are."""
    return {
        **SHARING,
        **os.environ,
        "DAGSTER_HOME": str(prepare(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "TIDEMILL_SPECS": str(settings.specs),
        "TIDEMILL_HOME": str(settings.home),
        "TIDEMILL_LEDGER_URL": settings.ledger_url,
    }
