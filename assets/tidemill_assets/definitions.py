"""The code location: `dagster dev -m tidemill_assets.definitions`."""

from __future__ import annotations

import dagster as dg

from tidemill.adapters.git.worktrees import begin
from tidemill.adapters.home import Home
from tidemill.errors import SpecError
from tidemill.settings import Settings
from tidemill_assets.factory import asset
from tidemill_assets.git_sensors import git_sensor
from tidemill_assets.sensors import trigger_sensors


def definitions(home: Home) -> dg.Definitions:
    """Every spec of a home as an asset, with the sensors that watch Git and the triggers.

    Runs go in one process: importing torch and transformers costs more than a small asset, and a
    laptop has one model in memory at a time.
    """
    try:
        projects = list(home.workspace.projects.values())
    except SpecError as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from error
    return dg.Definitions(
        assets=[
            asset(home, project, loaded)
            for project in projects
            for loaded in project.specs.values()
        ],
        sensors=[*trigger_sensors(home, projects), git_sensor(home)],
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads; where a remote is followed, the assets of the commit applied last."""
    settings = Settings.read().followed
    begin(settings)
    return definitions(Home(settings))
