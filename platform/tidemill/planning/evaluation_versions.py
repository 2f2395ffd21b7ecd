"""What is built of the two revisions of an evaluation, and the artefacts that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tidemill.engine.built_revision import BuiltRevision
from tidemill.engine.changed_evaluations import ChangedEvaluation
from tidemill.engine.cost import total
from tidemill.engine.evaluation_change import SkippedEvaluation
from tidemill.engine.plan import PlanEntry
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import RecordedAsset
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.evaluated_version import EvaluatedVersion, prepare_version
from tidemill.planning.costs import CostEstimator
from tidemill.planning.dataset_differences import read_project
from tidemill.planning.revisions import Revision, Revisions
from tidemill.ports import Artefact, Materialisation
from tidemill.progress import Progress
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.neighbours import prompt_name

_RECORDS = 5000
"""Newest records of a project that are searched for artefacts."""


@dataclass(frozen=True)
class ProjectVersions:
    """One project in both revisions, with the records of its assets."""

    home: Home
    revisions: Revisions
    entries: Mapping[str, PlanEntry]
    """What the change does to each asset, by `project/name`."""
    project: str
    progress: Progress

    @cached_property
    def records(self) -> dict[str, list[Materialisation]]:
        """Records by spec name, newest first; none where the home has no ledger."""
        by_name: dict[str, list[Materialisation]] = {}
        if self.home.has_ledger:
            for record in self.home.ledger.materialisations.history(self.project, limit=_RECORDS):
                by_name.setdefault(record.name, []).append(record)
        return by_name

    @cached_property
    def after(self) -> BuiltRevision:
        """What is built of the working tree's specs."""
        return self._built_revision(self.revisions.desired)

    @cached_property
    def before(self) -> BuiltRevision:
        """What is built of the merge base's specs."""
        return self._built_revision(self.revisions.former)

    @cached_property
    def _after_builder(self) -> ProjectBuilder:
        return self._builder(self.revisions.head)

    @cached_property
    def _before_builder(self) -> ProjectBuilder:
        return self._builder(self.revisions.base)

    def obstacle(self, item: ChangedEvaluation) -> SkippedEvaluation | None:
        """Why the new version cannot be asked; None where everything it needs is built."""
        if item.state == "removed":
            return self._skip(item, "this change removes it")
        missing = self.after.unbuilt(*self.after.specs[item.name].inputs)
        if not missing:
            return None
        is_training = any(self.after.specs[name].kind == "FineTune" for name in missing)
        names = ", ".join(f"'{name}'" for name in missing)
        reason = "needs a training" if is_training else f"needs {names} built"
        return replace(
            self._skip(item, reason),
            build_seconds=self._estimate(missing),
            command=f"tidemill run {item.key}",
        )

    def new_version(self, name: str) -> EvaluatedVersion:
        """The evaluation as the working tree has it; raises ArtefactError, SpecError, DataError."""
        return self._version(self._after_builder, self.after, name, "eval-after")

    def former_version(self, name: str) -> EvaluatedVersion | None:
        """The evaluation as the merge base has it; None where it is new, or where its model is not
        built here."""
        spec = self.before.specs.get(name)
        if spec is None or spec.kind != "Evaluation" or self.before.unbuilt(*spec.inputs):
            return None
        return self._version(self._before_builder, self.before, name, "eval-before")

    def _version(
        self, builder: ProjectBuilder, built: BuiltRevision, name: str, purpose: str
    ) -> EvaluatedVersion:
        context = builder.build_context(name, purpose, self.progress)
        spec = builder.project.spec(name, Evaluation)
        return prepare_version(spec, self._inputs(spec, builder, built), context)

    def _inputs(
        self, spec: Evaluation, builder: ProjectBuilder, built: BuiltRevision
    ) -> dict[str, Artefact]:
        """What answers need; for the comparison with trivial baselines everything upstream."""
        names = [spec.of, spec.dataset]
        if prompt := prompt_name(spec, builder.specs):
            names += built.specs[prompt].inputs
        if spec.trivial_baselines.gate:
            names += built.closure(spec.name)
        digests = {name: built.artefact(name) for name in names if name != spec.name}
        return {name: self.home.store.get(digest) for name, digest in digests.items() if digest}

    def _built_revision(self, specs: Mapping[str, SpecSnapshot]) -> BuiltRevision:
        own = {spec.name: spec for spec in specs.values() if spec.project == self.project}
        history = {name: list(map(_recorded_asset, items)) for name, items in self.records.items()}
        return BuiltRevision(own, history)

    def _builder(self, revision: Revision) -> ProjectBuilder:
        return replace(
            self.home.builder(self.project), project=read_project(revision, self.project)
        )

    def _estimate(self, names: Sequence[str]) -> float | None:
        """Seconds that the builds will probably take; None where there is no history."""
        entries = [self.entries[f"{self.project}/{name}"] for name in names]
        if not self.home.has_ledger:
            return None
        kinds = sorted({entry.kind for entry in entries})
        history = self.home.ledger.materialisations.build_costs(kinds)
        costs = CostEstimator(history, self.revisions.desired, self.revisions.former)
        expected = total(e for entry in entries if (e := costs.estimate(entry)))
        return expected.seconds.median if expected else None

    def _skip(self, item: ChangedEvaluation, reason: str) -> SkippedEvaluation:
        return SkippedEvaluation(item.project, item.name, item.causes, reason)


def _recorded_asset(record: Materialisation) -> RecordedAsset:
    return RecordedAsset(record.spec_digest, record.artefact, record.inputs)
