"""Reads what is known of a release or a dataset: ledger, store, specs at their commit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tidemill.adapters.git import GitRepository
from tidemill.adapters.git.command import try_git
from tidemill.engine.release_record import ReleaseRecord
from tidemill.errors import ArtefactError, MissingArtefact, TidemillError
from tidemill.form import ModelForm
from tidemill.home import Home
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answer_file import read_answers
from tidemill.ports import Materialisation
from tidemill.records import RolloutRecord
from tidemill.report import release_facts as parts
from tidemill.report.build_facts import DatasetSummary
from tidemill.report.evaluation_files import EvaluationReport, FailureReport
from tidemill.report.release_facts import DatasetFacts, ReleaseFacts, SpecValues
from tidemill.spec.digest import spec_digest, with_defaults
from tidemill.spec.load import Project, read

_Content = TypeVar("_Content")


def gather_release(home: Home, record: ReleaseRecord) -> ReleaseFacts:
    """All that is known of a release; what cannot be read is in `missing`, with the reason."""
    specs = _specs(home, record)
    makings = _makings(home, record)
    missing: dict[str, str] = {}
    report = _folder(home, record.evaluation.digest, parts.REPORT, missing)
    model = _folder(home, record.model, parts.MODEL, missing)
    rollout = _rollout(home, record)
    name = record.dataset.name
    return ReleaseFacts(
        release=replace(record, approved_by=_approvers(home, record)),
        data=_dataset(home, record.project, name, makings.get(name), specs.get(name), record),
        now=home.clock.now(),
        specs=specs,
        materialisations=makings,
        report=_read_json(report, "report.json", EvaluationReport.from_dict, parts.REPORT, missing)
        or EvaluationReport(),
        failures=_read_json(
            report, "failures.json", FailureReport.from_dict, parts.FAILURES, missing
        )
        or FailureReport(),
        answers=_answers(report, missing),
        form=_form(model, missing),
        rollout=rollout,
        rollout_decisions=home.ledger.rollouts.decisions(rollout.id) if rollout else (),
        missing=missing,
    )


def _approvers(home: Home, record: ReleaseRecord) -> tuple[str, ...]:
    """Who agreed to the release, each once."""
    approvers = [consent.principal for consent in home.ledger.approvals.of_subject(record.digest)]
    return tuple(dict.fromkeys([*record.approved_by, *approvers]))


def gather_dataset(home: Home, project: str, name: str) -> DatasetFacts:
    """All that is known of a dataset as it was made last; raises MissingArtefact before that."""
    making = home.ledger.materialisations.latest(project, name)
    if making is None:
        raise MissingArtefact(
            f"'{project}/{name}' was never built; run `tidemill run {project}/{name}`"
        )
    loaded = home.project(project).specs[name]
    same = spec_digest(loaded, home.project(project)) == making.spec_digest
    return _dataset(home, project, name, making, with_defaults(loaded.spec) if same else None)


def _dataset(
    home: Home,
    project: str,
    name: str,
    making: Materialisation | None,
    spec: SpecValues | None,
    record: ReleaseRecord | None = None,
) -> DatasetFacts:
    missing: dict[str, str] = {}
    digest_ = making.artefact if making else record.dataset.digest if record else ""
    folder = _folder(home, digest_, parts.DATASET, missing)
    summary = _read_json(folder, "summary.json", DatasetSummary.from_dict, parts.DATASET, missing)
    return DatasetFacts(project, name, digest_, spec or {}, summary, making, missing)


def _makings(home: Home, record: ReleaseRecord) -> dict[str, Materialisation]:
    """The record behind each artefact, in the order they were made."""
    origins = [
        home.ledger.materialisations.first_build(record.project, name, item.digest)
        for name, item in record.artefacts.items()
        if "/" not in name
    ]
    ordered = sorted((making for making in origins if making), key=lambda making: making.id)
    return {making.name: making for making in ordered}


def _specs(home: Home, record: ReleaseRecord) -> dict[str, SpecValues]:
    """The specs of the release's digests: as they are now, else as its commit has them."""
    digests, specs = record.specs, home.settings.specs
    matches = _matching_specs(_project(specs, record.project), digests)
    sha = record.commit.sha
    if len(matches) == len(digests) or not sha or not specs.is_dir():
        return matches
    try:
        root = (try_git(specs, "rev-parse", "--show-toplevel") or "").strip()
        inside = os.path.relpath(specs, root) if root else "."
        with GitRepository(specs).checkout(sha) as tree:
            return {**_matching_specs(_project(tree / inside, record.project), digests), **matches}
    except (TidemillError, OSError):
        return matches  # the commit is not here: the card says which specs it does not know


def _project(specs: Path, name: str) -> Project | None:
    try:
        return read(specs).workspace.projects.get(name)
    except TidemillError:
        return None


def _matching_specs(project: Project | None, digests: Mapping[str, str]) -> dict[str, SpecValues]:
    matches: dict[str, SpecValues] = {}
    for name in digests if project else ():
        assert project is not None
        loaded = project.specs.get(name)
        try:
            if loaded and spec_digest(loaded, project) == digests[name]:
                matches[name] = with_defaults(loaded.spec)
        except TidemillError:
            continue  # a file it names is gone
    return matches


def _rollout(home: Home, record: ReleaseRecord) -> RolloutRecord | None:
    rollouts = home.ledger.rollouts.newest(record.service, limit=1000)
    return next((rollout for rollout in rollouts if rollout.release == record.digest), None)


def _folder(home: Home, known: str, part: str, missing: dict[str, str]) -> Path | None:
    """Where an artefact lies, its bytes checked."""
    try:
        return home.store.get(known).path
    except MissingArtefact:
        missing[part] = (
            f"The bytes of {known[:19]} are not in this home; `dvc pull` in its store brings them "
            "back, or `tidemill run` builds them again."
        )
    except ArtefactError:
        missing[part] = (
            f"The bytes of {known[:19]} are not those that were built: they do not match their "
            "digest, so nothing of them is shown here."
        )
    return None


def _read_json(
    folder: Path | None,
    name: str,
    parse: Callable[[Mapping[str, Any]], _Content],
    part: str,
    missing: dict[str, str],
) -> _Content | None:
    if folder is None:
        missing.setdefault(part, missing.get(parts.REPORT, "It is not there."))
        return None
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        return parse(content) if content and isinstance(content, dict) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        missing[part] = f"{name} of this artefact cannot be read."
        return None


def _answers(folder: Path | None, missing: dict[str, str]) -> tuple[answering.EvaluatedRow, ...]:
    if folder is None:
        missing[parts.ANSWERS] = missing[parts.REPORT]
        return ()
    try:
        return tuple(read_answers(folder).values())
    except (OSError, ValueError, TypeError, KeyError):
        missing[parts.ANSWERS] = "The answers of this evaluation cannot be read."
        return ()


def _form(folder: Path | None, missing: dict[str, str]) -> ModelForm | None:
    try:
        return ModelForm.read(folder) if folder else None
    except ArtefactError:
        missing[parts.MODEL] = "The served artefact has no readable form.json."
        return None
