"""Sensors that look at the triggers, one a project."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
import json
from collections.abc import Iterator, Sequence

import dagster as dg

from tidemill.control.trigger_evaluation import evaluate_and_report
from tidemill.control.trigger_runs import OFFSETS_TAG, launches
from tidemill.home import Home
from tidemill.spec.load import Project
from tidemill.spec.trigger import Trigger
from tidemill_assets.runs import DECISION_TAG, follow, group, key, run_key, search_key

TRIGGER_SECONDS = 5


def trigger_sensors(
    home: Home, projects: Sequence[Project], prefix: Sequence[str] = ()
) -> list[dg.SensorDefinition]:
    """The sensors of all projects that have triggers; `prefix` as in their assets' keys."""
    return [trigger_sensor(home, project.name, prefix) for project in projects if triggers(project)]


def triggers(project: Project) -> list[Trigger]:
    """The triggers of a project."""
    specs = (loaded.spec for loaded in project.specs.values())
    return [spec for spec in specs if isinstance(spec, Trigger)]


def trigger_sensor(home: Home, name: str, prefix: Sequence[str] = ()) -> dg.SensorDefinition:
    """Looks at the triggers of one project; a firing is in the ledger before a run is asked for."""

    @dg.sensor(
        name="_".join([*map(group, prefix), group(name), "triggers"]),
        minimum_interval_seconds=TRIGGER_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.groups(group(name)),
        description=f"Evaluates the triggers of '{name}' and requests runs.",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        fresh = home.with_fresh_specs()
        now = fresh.clock.now()
        follow(fresh, context.instance, now)
        project = fresh.project(name)
        reasons = [evaluate_and_report(fresh, project, one, now) for one in triggers(project)]
        requests = list(pending(fresh, project, context.instance, prefix))
        yield from requests
        if not requests:
            yield dg.SkipReason("; ".join(reasons))

    return look


def pending(
    home: Home, project: Project, instance: dg.DagsterInstance, prefix: Sequence[str] = ()
) -> Iterator[dg.RunRequest]:
    """A run for each firing that has none yet; Dagster refuses a run key it has seen."""
    for launch in launches(home.ledger.trigger_decisions, project):
        yield dg.RunRequest(
            run_key=run_key(launch.decided, instance),
            asset_selection=[
                *(key(project.name, name, prefix) for name in launch.assets),
                *(search_key(project.name, name, prefix) for name in launch.searches),
            ],
            tags={
                DECISION_TAG: launch.decided.key,
                OFFSETS_TAG: json.dumps(dict(launch.decided.offsets)),
            },
        )
