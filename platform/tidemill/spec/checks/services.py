"""Services and topics: what streams, baselines and ratings hang on, within and across projects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidemill.errors import suggest
from tidemill.spec.evaluation import Evaluation, LiveBaseline
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import LoadedSpec, Project, Workspace, display_path
from tidemill.spec.options import FieldProblem
from tidemill.spec.positions import Path_
from tidemill.spec.rollout import Rollout

Placed = tuple[LoadedSpec, FieldProblem]


def check_services(project: Project, incomplete: set[str]) -> Iterator[Placed]:
    """Names of services that no Rollout brings up, ratings that no Feedback accepts.

    `incomplete` are kinds of which a file is broken: what cannot be read cannot be missed.
    """
    services = [
        loaded.spec.service for loaded in project.specs.values() if isinstance(loaded.spec, Rollout)
    ]
    for loaded in project.specs.values():
        path, service = _named_service(loaded)
        if service and service not in services and "Rollout" not in incomplete:
            cause = f"'service: {service}' names the service of no Rollout"
            add = f"add a Rollout with 'service: {service}'"
            yield loaded, FieldProblem(path, cause, suggest(service, services) if services else add)
        if isinstance(loaded.spec, Rollout) and "Feedback" not in incomplete:
            yield from _ratings(loaded, loaded.spec, project)


def _named_service(loaded: LoadedSpec) -> tuple[Path_, str | None]:
    """The service a spec says it is about, and where."""
    if isinstance(loaded.spec, Feedback):
        return ("service",), loaded.spec.service
    if isinstance(loaded.spec, Evaluation) and isinstance(loaded.spec.baseline, LiveBaseline):
        return ("baseline", "service"), loaded.spec.baseline.service
    return (), None


def _ratings(loaded: LoadedSpec, rollout: Rollout, project: Project) -> Iterator[Placed]:
    if rollout.quality is None:
        return
    metric = rollout.quality.metric
    streams = [
        other.spec
        for other in project.specs.values()
        if isinstance(other.spec, Feedback) and other.spec.service == rollout.service
    ]
    if not any(metric in stream.kinds for stream in streams):
        cause = f"quality is never measured: no Feedback of '{rollout.service}' accepts {metric}"
        way_out = (
            f"add {metric} to the kinds of '{streams[0].name}'"
            if streams
            else (f"add a Feedback spec with 'service: {rollout.service}'")
        )
        yield loaded, FieldProblem(("quality",), cause, way_out)


def check_shared(workspace: Workspace) -> Iterator[Placed]:
    """Services and topics are names of the whole installation, not of one project."""
    services: dict[str, Path] = {}
    topics: dict[str, Path] = {}
    for project in workspace.projects.values():
        for loaded in project.specs.values():
            if isinstance(loaded.spec, Rollout):
                yield from _duplicate_names(loaded, "service", loaded.spec.service, services)
            elif isinstance(loaded.spec, Feedback):
                yield from _duplicate_names(loaded, "topic", loaded.spec.topic, topics)


def _duplicate_names(
    loaded: LoadedSpec, key: str, value: str, first_paths: dict[str, Path]
) -> Iterator[Placed]:
    first = first_paths.setdefault(value, loaded.path)
    if first != loaded.path:
        cause = f"'{key}: {value}' is taken by {display_path(first)}"
        yield (
            loaded,
            FieldProblem((key,), cause, f"each {loaded.spec.kind} has its own; choose another"),
        )
