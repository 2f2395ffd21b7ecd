"""One small turn of the whole loop, on real parts: what `make demo` promises, with a tiny model.

The broker, ingest, gateway, controller and model servers are processes. Only Dagster's three are
not started, since each takes longer to import than all the rest: the test looks at the
trigger's sensor and starts the runs that it asks for, as Dagster's daemon does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from tests.demo.tiny_shop import write_project

from tidemill.adapters.local.processes import ProcessFolder, free_port
from tidemill.control.lifecycle_events import lifecycle_publisher
from tidemill.demo.crowd import Crowd
from tidemill.demo.stage import PROJECT, Stage
from tidemill.demo.story import Story, play
from tidemill.local import dagster_home, services
from tidemill.progress import no_progress
from tidemill.spec.graph import build_order
from tidemill_assets.launch import launch
from tidemill_assets.sensors import trigger_sensor

SERVICES = {"broker", "ingest", "gateway", "controller"}


@dataclass
class SmallStage(Stage):
    """A stage on which this process does what Dagster's would."""

    def tidemill(self, *arguments: str) -> None:
        """`up`, `run` and `down`, without a process for each."""
        {"up": self.up, "run": self.run, "down": self.down}[arguments[0]]()

    def up(self) -> None:
        services.prepare(self.settings)
        processes = ProcessFolder(self.settings.home / "run")
        for service in services.service_plan(self.settings):
            if service.name in SERVICES:
                processes.await_ready(processes.start(service.start), service.ready, 60)

    def run(self) -> None:
        launch(
            self.home, PROJECT, build_order(self.home.project(PROJECT)), tags={}, say=no_progress
        )

    def down(self) -> None:
        lifecycle_publisher(self.settings.brokers).close()
        ProcessFolder(self.settings.home / "run").stop_all()
        ProcessFolder(self.settings.home / "run", "models").stop_all()

    def wait(self, what: str, ready: Any) -> Any:
        """Look at the trigger between looks, as the daemon does meanwhile."""

        def looked() -> Any:
            self.look_at_trigger()
            return ready()

        return super().wait(what, looked)

    def look_at_trigger(self) -> None:
        with dg.DagsterInstance.get() as instance:
            context = dg.build_sensor_context(instance=instance)
            for request in trigger_sensor(self.home, PROJECT)(context):  # type: ignore[union-attr]
                if isinstance(request, dg.RunRequest):
                    names = [key.path[-1] for key in request.asset_selection or ()]
                    launch(self.home, PROJECT, names, tags=dict(request.tags), say=no_progress)


@pytest.fixture
def stage(tmp_path: Path, tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> SmallStage:
    write_project(tmp_path / "specs", tiny_llm)
    for name in ("SPECS", "HOME", "CACHE", "SUBJECT_KEY"):  # the stage sets them for its processes
        monkeypatch.setenv(f"TIDEMILL_{name}", "")
    monkeypatch.setenv("TIDEMILL_CACHE", str(tmp_path / "cache"))
    for name in ("GATEWAY", "DAGSTER", "BROKER"):
        monkeypatch.setenv(f"TIDEMILL_{name}_PORT", str(free_port()))
    found = SmallStage.build(tmp_path / "specs", tmp_path / "demo", no_progress)
    assert isinstance(found, SmallStage)
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home.prepare(found.settings)))
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_users_corrections_become_a_better_release_that_went_through_a_canary(
    stage: SmallStage,
) -> None:
    assert play(Story(stage, Crowd(stage.settings)), keep=False).ok
    report = json.loads((stage.folder / "report.json").read_text())

    assert report["ok"]
    assert report["trigger"]["fired"]
    assert "corrections" in report["trigger"]["reason"]
    assert len(report["releases"]) == 2
    assert report["canary"][-1] == 100
    assert report["quality_after"]["low"] > report["quality_before"]["high"]
    assert report["events_ingested"] + report["quarantined"] == report["events_sent"]
    assert report["quarantined"] == 3
    assert report["why"]["verified"]
    assert any(report["releases"][-1]["digest"] in edge.values() for edge in report["why"]["edges"])
