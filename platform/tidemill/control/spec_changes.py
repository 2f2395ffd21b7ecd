"""Assets that a change of the specs, or of an input, has left behind."""

from __future__ import annotations

from datetime import datetime

from tidemill.engine.staleness import InputChanged, Staleness, is_outdated
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.spec.graph import upstream
from tidemill.spec.trigger import Trigger


def outdated_assets(builder: ProjectBuilder) -> dict[str, Staleness]:
    """Assets that were built here, and whose spec or inputs have changed since; by name."""
    return {name: state for name, state in builder.staleness().items() if is_outdated(state)}


def newest_unbuilt_change(builder: ProjectBuilder, trigger: Trigger) -> datetime | None:
    """The time of the newest commit that made an asset of the trigger outdated; None where there
    is none, or where no condition of the trigger asks for it."""
    conditions = (*trigger.when.any, *trigger.when.all)
    if all(condition.type != "spec_change" for condition in conditions):
        return None
    assets = upstream(builder.project, *trigger.run)
    specs = [
        _changed_spec(builder, name, state)
        for name, state in outdated_assets(builder).items()
        if name in assets
    ]
    commits = (builder.repository.last_change(builder.project.specs[name].path) for name in specs)
    return max((commit.committed_at for commit in commits if commit), default=None)


def _changed_spec(builder: ProjectBuilder, name: str, state: Staleness) -> str:
    """The spec that made an asset outdated: its own, or that of the input that changed."""
    if isinstance(state, InputChanged) and state.input in builder.specs:
        return state.input
    return name
