"""The code location: `dagster dev -m tidemill_assets.definitions`."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from tidemill.adapters.git.worktrees import prepare_current
from tidemill.errors import SpecError, UnknownName
from tidemill.home import Home
from tidemill.settings import Settings
from tidemill_assets.factory import asset
from tidemill_assets.git_sensors import git_sensor
from tidemill_assets.prompt_search import search_assets
from tidemill_assets.sensors import trigger_sensors


def definitions(home: Home) -> dg.Definitions:
    """Every spec of a home as an asset, with the sensors that watch Git and the triggers.

    Runs go in one process: importing torch and transformers costs more than a small asset, and a
    laptop has one model in memory at a time.
    """
    return dg.Definitions.merge(
        project_definitions(home), dg.Definitions(executor=dg.in_process_executor)
    )


def project_definitions(
    home: Home, names: Sequence[str] = (), prefix: Sequence[str] = ()
) -> dg.Definitions:
    """Assets, checks and sensors of the named projects (of all without names), for any code
    location; the location's own executor runs them. `prefix` comes before every key."""
    try:
        projects_by_name = home.workspace.projects
        projects = [home.project(name) for name in names] or list(projects_by_name.values())
    except (SpecError, UnknownName) as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from error
    return dg.Definitions(
        assets=[
            *(
                asset(home, project, loaded, prefix)
                for project in projects
                for loaded in project.specs.values()
            ),
            *(search for project in projects for search in search_assets(home, project, prefix)),
        ],
        sensors=[
            *trigger_sensors(home, projects, prefix),
            git_sensor(home, [project.name for project in projects], prefix),
        ],
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads; where a remote is followed, the assets of the commit applied last."""
    settings = Settings.read().with_applied_specs
    prepare_current(settings)
    return definitions(Home(settings))
