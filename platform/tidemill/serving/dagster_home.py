"""Dagster's own folder below a home: written once, named in the environment of every process."""

from __future__ import annotations

import os
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
  start_timeout_seconds: 180
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
