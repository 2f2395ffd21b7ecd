"""Which release or which dataset a name means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import TidemillError, UnknownName
from tidemill.home import Home
from tidemill.pipeline.release import candidate
from tidemill.spec.load import Project
from tidemill.spec.rollout import Rollout

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{4,64}")


@dataclass(frozen=True)
class ReportSubject:
    """A release by its record, or a dataset by its project and name."""

    release: ReleaseRecord | None = None
    dataset: tuple[str, str] | None = None


def resolve_name(home: Home, name: str, *, datasets: bool = True) -> ReportSubject:
    """What `name` means: a service (its live release, else its newest), a release by a unique
    beginning of its digest, a Rollout, an Evaluation (what it judged, released or not), or a
    dataset; specs as `project/name` or by a name only one project has.

    Releases are found without the specs. Raises TidemillError where a service has no release yet,
    UnknownName with the nearest name, SpecError where a name needs specs that cannot be used.
    """
    record = find_of_service(home, name) or _by_digest(home, name)
    if record:
        return ReportSubject(release=record)
    projects = home.workspace.projects
    for project, spec_name, spec in _matches(projects, name):
        if spec.kind == "Rollout":
            return ReportSubject(release=latest_of_service(home, spec.service))
        if spec.kind == "Evaluation":
            return ReportSubject(release=latest_evaluated(home, project, spec_name))
        if spec.kind == "Dataset" and datasets:
            return ReportSubject(dataset=(project, spec_name))
    if name in _services(projects):
        return ReportSubject(release=latest_of_service(home, name))
    raise _unknown(home, projects, name, datasets)


def latest_of_service(home: Home, service: str) -> ReleaseRecord:
    """The live release of a service, else its newest; raises TidemillError before the first."""
    record = find_of_service(home, service)
    if record is None:
        raise TidemillError(f"'{service}' has no release yet; create one with `tidemill run`")
    return record


def latest_evaluated(home: Home, project: str, evaluation: str) -> ReleaseRecord:
    """The record of what an evaluation judged last, whether its gates passed or not.

    Raises TidemillError where no Rollout is judged by it, MissingArtefact where it is stale.
    """
    builder = home.builder(project)
    for spec in builder.specs.values():
        if isinstance(spec, Rollout) and spec.judged_by == evaluation:
            newest = candidate(builder, spec)
            return home.ledger.materialisations.release(newest.digest) or newest
    raise TidemillError(
        f"no Rollout is judged by '{evaluation}', so there is no release to tell of; its report is "
        "in its materialisation in Dagster's UI"
    )


def find_of_service(home: Home, service: str) -> ReleaseRecord | None:
    """The same, or None."""
    records = home.ledger.materialisations.releases(service)
    return home.live_record(service) or (records[-1] if records else None)


def _by_digest(home: Home, name: str) -> ReleaseRecord | None:
    if not _DIGEST.fullmatch(name):
        return None
    return home.ledger.materialisations.release(f"sha256:{name.removeprefix('sha256:')}")


def _matches(projects: Mapping[str, Project], name: str) -> list[tuple[str, str, Any]]:
    """The rollout, evaluation or dataset of this name; one that several projects have is none."""
    project_name, _, short = name.rpartition("/")
    candidates = [
        (project.name, short, project.specs[short].spec)
        for project in projects.values()
        if short in project.specs and project_name in ("", project.name)
    ]
    reportable = [
        candidate
        for candidate in candidates
        if candidate[2].kind in ("Rollout", "Evaluation", "Dataset")
    ]
    if len(reportable) > 1:
        raise UnknownName(
            "single spec", name, [f"{project}/{short}" for project, short, _ in reportable]
        )
    return reportable


def _services(projects: Mapping[str, Project]) -> list[str]:
    specs = (loaded.spec for project in projects.values() for loaded in project.specs.values())
    return [spec.service for spec in specs if spec.kind == "Rollout"]  # type: ignore[attr-defined]


def _unknown(home: Home, projects: Mapping[str, Project], name: str, datasets: bool) -> UnknownName:
    released = {record.service for record in home.ledger.materialisations.releases()}
    names = sorted({*released, *_services(projects)})
    if datasets:
        names += sorted(
            f"{project.name}/{loaded.spec.name}"
            for project in projects.values()
            for loaded in project.specs.values()
            if loaded.spec.kind == "Dataset"
        )
    kind = "release, service or dataset" if datasets else "release or service"
    return UnknownName(kind, name, names)
