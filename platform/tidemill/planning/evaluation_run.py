"""Runs the evaluations that a change touches: both versions, the same rows, within a budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

from tidemill.adapters.answer_cache import SearchMemory
from tidemill.engine.changed_evaluations import ChangedEvaluation, changed_evaluations
from tidemill.engine.evaluation_change import (
    EvaluationChange,
    EvaluationReport,
    SkippedEvaluation,
)
from tidemill.engine.plan import PlanEntry, plan
from tidemill.engine.sampled_gate import next_block_fits
from tidemill.errors import MissingArtefact, TidemillError
from tidemill.home import Home
from tidemill.pipeline.cached_runtime import BLOCK
from tidemill.pipeline.evaluated_version import EvaluatedVersion, recorded_answers
from tidemill.pipeline.evaluation import evaluation_rows
from tidemill.pipeline.evaluation_comparison import AnsweredVersion, compare_versions
from tidemill.pipeline.sampling import sample_order
from tidemill.pipeline.version_answers import RuntimePool, VersionAnswers
from tidemill.planning.evaluation_versions import ProjectVersions
from tidemill.planning.revisions import Revisions
from tidemill.ports import Materialisation
from tidemill.progress import Progress, no_progress
from tidemill.rows import DatasetRow

_NO_FORMER = "the former version cannot be asked here, so there is nothing to compare with"


@dataclass
class EvaluationRun:
    """One call of `tidemill eval`."""

    home: Home
    revisions: Revisions
    budget: float
    """Seconds that answers may take, all evaluations together."""
    most_rows: int | None = None
    """Rows of each evaluation at most; all of them for None."""
    progress: Progress = no_progress
    _projects: dict[str, ProjectVersions] = field(default_factory=dict)

    @cached_property
    def entries(self) -> dict[str, PlanEntry]:
        """What the change does to each asset, by `project/name`."""
        return {entry.key: entry for entry in plan(self.revisions.desired, self.revisions.former)}

    def report(self, selection: set[str] | None = None) -> EvaluationReport:
        """Every evaluation that the change touches; `selection` has `project/name` of specs."""
        started = time.monotonic()
        report = EvaluationReport(
            self.revisions.base_ref, self.revisions.base.commit, budget=self.budget
        )
        desired = self.revisions.desired
        changed = changed_evaluations(list(self.entries.values()), desired, selection)
        for position, item in enumerate(changed):
            remaining = self.budget - (time.monotonic() - started)
            result = self._evaluate(item, max(0.0, remaining) / (len(changed) - position))
            if isinstance(result, SkippedEvaluation):
                report = replace(report, skipped=(*report.skipped, result))
            else:
                report = replace(report, compared=(*report.compared, result))
        return replace(report, seconds=time.monotonic() - started)

    def _evaluate(
        self, item: ChangedEvaluation, allowance: float
    ) -> EvaluationChange | SkippedEvaluation:
        versions = self._versions(item.project)
        skip = SkippedEvaluation(item.project, item.name, item.causes, "")
        try:
            return versions.obstacle(item) or self._compare(versions, item, allowance)
        except MissingArtefact as error:
            return replace(skip, reason=str(error))
        except TidemillError as error:
            return replace(skip, reason=str(error), is_error=True)

    def _versions(self, project: str) -> ProjectVersions:
        if project not in self._projects:
            self._projects[project] = ProjectVersions(
                self.home, self.revisions, self.entries, project, self.progress
            )
        return self._projects[project]

    def _compare(
        self, versions: ProjectVersions, item: ChangedEvaluation, allowance: float
    ) -> EvaluationChange | SkippedEvaluation:
        new, former = versions.new_version(item.name), _former_version(versions, item.name)
        rows = evaluation_rows(new.spec, new.inputs)
        order = [rows[at] for at in sample_order(rows, new.spec.seed)][: self.most_rows]
        records = versions.records.get(item.name, ())
        both = [version for version in (new, former) if version is not None]
        answers, new_answers = self._answers(both, records, order, allowance)
        if not answers[0].answers:
            reason = "the budget was used up before its first row; raise --budget"
            return SkippedEvaluation(item.project, item.name, item.causes, reason)
        change = compare_versions(answers[0], answers[1] if former else None, len(rows))
        is_known = item.key in self.revisions.former
        notes = (_NO_FORMER,) if former is None and is_known else ()
        return EvaluationChange(item.project, item.name, item.causes, change, new_answers, notes)

    def _answers(
        self,
        versions: Sequence[EvaluatedVersion],
        records: Sequence[Materialisation],
        rows: Sequence[DatasetRow],
        allowance: float,
    ) -> tuple[list[AnsweredVersion], int]:
        """Answers of each version to as many of the first rows as the time allows, and how many of
        them are new; versions with the same model and prompt are asked once."""
        memory = SearchMemory.of_home(self.home.settings.home)
        store = self.home.store
        pool = RuntimePool(memory, lambda digest: store.get(digest).path, self.progress)
        different = {version.answers_key: version for version in reversed(versions)}
        sources = {
            key: VersionAnswers(version, recorded_answers(version, records), pool)
            for key, version in different.items()
        }
        with closing(pool):
            self._ask(list(sources.values()), rows, allowance)
        answers = [
            AnsweredVersion(version, sources[version.answers_key].answers) for version in versions
        ]
        return answers, sum(source.new_answers for source in sources.values())

    def _ask(
        self, sources: Sequence[VersionAnswers], rows: Sequence[DatasetRow], allowance: float
    ) -> None:
        title = f"{sources[0].version.spec.name}: answering {len(rows)} test rows"
        started, last = time.monotonic(), 0.0
        for start in range(0, len(rows), BLOCK):
            block_start = time.monotonic()
            if not next_block_fits(block_start - started, last, allowance):
                return
            for source in sources:
                source.answer(rows[start : start + BLOCK])
            last = time.monotonic() - block_start
            self.progress(title, done=min(start + BLOCK, len(rows)), total=len(rows))


def _former_version(versions: ProjectVersions, name: str) -> EvaluatedVersion | None:
    """The version of the merge base; None where there is none, or where it is broken: a change may
    be what mends it."""
    try:
        return versions.former_version(name)
    except TidemillError:
        return None
