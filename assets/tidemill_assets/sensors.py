"""Sensors that look at the triggers, one a project."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import dagster as dg

from tidemill.adapters.ledger.decisions import SYNC
from tidemill.control.lifecycle_events import announce
from tidemill.control.trigger_evaluation import react
from tidemill.engine.staleness import InputChanged, Staleness, is_outdated
from tidemill.home import Home
from tidemill.pipeline.builder import Line
from tidemill.ports import OFFSETS_TAG
from tidemill.spec.feedback import Feedback
from tidemill.spec.graph import upstream
from tidemill.spec.load import Project
from tidemill.spec.trigger import Trigger
from tidemill_assets.runs import DECISION_TAG, follow, group, key, run_key

TRIGGER_SECONDS = 5


def trigger_sensors(
    home: Home, projects: Sequence[Project], prefix: Sequence[str] = ()
) -> list[dg.SensorDefinition]:
    """The sensors of all projects that have triggers; `prefix` as in their assets' keys."""
    return [trigger_sensor(home, project.name, prefix) for project in projects if triggers(project)]


def triggers(project: Project) -> list[Trigger]:
    """The triggers of a project."""
    found = (loaded.spec for loaded in project.specs.values())
    return [spec for spec in found if isinstance(spec, Trigger)]


def trigger_sensor(home: Home, name: str, prefix: Sequence[str] = ()) -> dg.SensorDefinition:
    """Looks at the triggers of one project; a firing is in the ledger before a run is asked for."""

    @dg.sensor(
        name="_".join([*map(group, prefix), group(name), "triggers"]),
        minimum_interval_seconds=TRIGGER_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.groups(group(name)),
        description=f"Decides whether feedback or the clock sets '{name}' going again.",
    )
    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        fresh = home.reread()
        now = fresh.clock.now()
        follow(fresh, context.instance, now)
        project = fresh.project(name)
        said = [look_at(fresh, project, trigger, now) for trigger in triggers(project)]
        requests = list(pending(fresh, project, context.instance, prefix))
        yield from requests
        if not requests:
            yield dg.SkipReason("; ".join(said))

    return look


def look_at(home: Home, project: Project, trigger: Trigger, now: datetime) -> str:
    """One look at one trigger; gives what it came to."""
    stream = project.specs[trigger.of].spec if trigger.of else None
    assert stream is None or isinstance(stream, Feedback)
    found = react(
        home.ledger.events,
        home.ledger.decisions,
        project.name,
        trigger,
        stream,
        now,
        changed=changed(home.line(project.name), trigger),
    )
    if found.kept:
        facts = {"reason": found.decision.reason, "numbers": dict(found.decision.numbers)}
        announce(home, "trigger-decided", project.name, trigger.name, **facts)
    return f"{trigger.name}: {found.decision.reason}"


def pending(
    home: Home, project: Project, instance: dg.DagsterInstance, prefix: Sequence[str] = ()
) -> Iterator[dg.RunRequest]:
    """A run for each firing that has none yet; Dagster refuses a run key it has seen."""
    for decided in home.ledger.decisions.pending():
        if decided.project == project.name and decided.trigger != SYNC:
            yield dg.RunRequest(
                run_key=run_key(decided, instance),
                asset_selection=[
                    key(project.name, name, prefix) for name in upstream(project, *decided.targets)
                ],
                tags={
                    DECISION_TAG: decided.key,
                    OFFSETS_TAG: json.dumps(dict(decided.offsets)),
                },
            )


def changed(line: Line, trigger: Trigger) -> datetime | None:
    """The newest commit to a spec that the trigger runs and that is not built yet."""
    conditions = (*trigger.when.any, *trigger.when.all)
    if all(condition.type != "spec_change" for condition in conditions):
        return None
    chosen = upstream(line.project, *trigger.run)
    commits = [
        line.repository.last_change(line.project.specs[_changed_spec(line, name, state)].path)
        for name, state in outdated(line).items()
        if name in chosen
    ]
    return max((commit.when for commit in commits if commit), default=None)


def outdated(line: Line) -> dict[str, Staleness]:
    """Assets that were built here, and whose spec or inputs have changed since; by name."""
    return {name: state for name, state in line.staleness().items() if is_outdated(state)}


def _changed_spec(line: Line, name: str, state: Staleness) -> str:
    """The spec that made an asset stale: its own, or that of the input that changed."""
    if isinstance(state, InputChanged) and state.input in line.specs:
        return state.input
    return name
