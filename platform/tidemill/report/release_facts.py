"""What is known of a release or a dataset, as plain values; what is not there says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill.data import SPLITS
from tidemill.engine.measurement import Check, Measure
from tidemill.engine.release_record import BaseModel, ReleaseRecord
from tidemill.form import ModelForm
from tidemill.ports import Materialisation
from tidemill.records import RolloutDecisionRecord, RolloutRecord
from tidemill.report.build_facts import CompressionHop, DatasetSummary, compression_hops
from tidemill.report.evaluation_files import EvaluationReport, FailureReport

if TYPE_CHECKING:
    from tidemill.pipeline.answers import EvaluatedRow

SpecValues = Mapping[str, Any]
"""A spec of any kind as plain values, its defaults and its techniques' options filled in."""

REPORT, ANSWERS, FAILURES, DATASET, MODEL = "report", "answers", "failures", "dataset", "model"
"""Names of the parts that may be missing."""


@dataclass(frozen=True)
class DatasetFacts:
    """One dataset."""

    project: str
    name: str
    digest: str
    spec: SpecValues = field(default_factory=dict)
    """The spec with its defaults filled in; empty where it is not known any more."""
    summary: DatasetSummary | None = None
    """Its `summary.json`; None where that is not known."""
    materialisation: Materialisation | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Part → why it is not there."""

    @property
    def rows(self) -> dict[str, int]:
        """Rows per split."""
        recorded = self.materialisation.facts.get("rows") if self.materialisation else None
        counts = (self.summary.rows if self.summary else None) or recorded or {}
        return {name: int(counts[name]) for name in SPLITS if name in counts}

    @property
    def labels(self) -> Mapping[str, Mapping[str, int]]:
        """Rows per split and label."""
        return self.summary.labels if self.summary else {}

    @property
    def checks(self) -> Sequence[Check]:
        """What was expected of it, and what came of it."""
        return self.materialisation.checks if self.materialisation else ()

    @property
    def privacy(self) -> SpecValues:
        """The spec's privacy rules."""
        return self.spec.get("privacy") or {}

    @property
    def offsets(self) -> Mapping[str, object]:
        """`topic/partition` → the feedback taken in, as [first, end) or the end alone."""
        recorded = self.materialisation.facts.get("offsets") if self.materialisation else {}
        return (self.summary.offsets if self.summary else None) or recorded or {}


@dataclass(frozen=True)
class ReleaseFacts:
    """One release."""

    release: ReleaseRecord
    data: DatasetFacts
    now: datetime
    specs: Mapping[str, SpecValues] = field(default_factory=dict)
    """The specs it was made from, defaults filled in; one that changed since may lack."""
    materialisations: Mapping[str, Materialisation] = field(default_factory=dict)
    """The record of the run that made each asset, by spec name."""
    report: EvaluationReport = field(default_factory=EvaluationReport)
    """The evaluation's `report.json`."""
    failures: FailureReport = field(default_factory=FailureReport)
    """The evaluation's `failures.json`."""
    answers: Sequence[EvaluatedRow] = ()
    """Its answers to the test rows."""
    form: ModelForm | None = None
    """What kind of model serves."""
    rollout: RolloutRecord | None = None
    """Its newest rollout."""
    rollout_decisions: Sequence[RolloutDecisionRecord] = ()
    """The decisions of that rollout."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Part → why it is not there."""

    @property
    def digest(self) -> str:
        """The release's digest."""
        return self.release.digest

    @property
    def service(self) -> str:
        """The service it answers for."""
        return self.release.service

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every measure with its interval, all rows first."""
        return self.release.evaluation.measures

    @property
    def gains(self) -> tuple[Measure, ...]:
        """Gains on the baseline, more is better; empty without a baseline."""
        return self.report.gains

    @property
    def gates(self) -> tuple[Check, ...]:
        """What each gate said."""
        return self.release.evaluation.checks

    @property
    def confidence(self) -> float:
        """Confidence of the intervals."""
        name = self.release.evaluation.name
        level = self.report.confidence or self.specs.get(name, {}).get("confidence")
        return float(level or 0.95)

    def specs_of_kind(self, kind: str) -> dict[str, SpecValues]:
        """The specs of one kind by name."""
        return {name: spec for name, spec in self.specs.items() if spec.get("kind") == kind}

    def materialisations_of(self, kind: str) -> dict[str, Materialisation]:
        """The records of one kind by name, in the order they were made."""
        return {
            name: making for name, making in self.materialisations.items() if making.kind == kind
        }

    @property
    def hops(self) -> Sequence[CompressionHop]:
        """The hops of its compressions."""
        compressions = self.materialisations_of("Compression").values()
        return [hop for compression in compressions for hop in compression_hops(compression)]

    @property
    def task(self) -> str | None:
        """The task of the served form, or what the base's spec says."""
        base_task = self.specs.get(self.base.name, {}).get("task") if self.base else None
        return self.form.task if self.form else base_task

    @property
    def base(self) -> BaseModel | None:
        """The base model of the weights: the one that fine-tunes start from (of several candidates
        the chosen one), or the only one."""
        bases = self.release.bases
        base_names = {spec.get("base") for spec in self.specs_of_kind("FineTune").values()}
        inputs = {
            name
            for making in self.materialisations_of("FineTune").values()
            for name in making.inputs
        }
        tunings = self.materialisations_of("FineTune").values()
        chosen = {making.facts.get("candidate_base") for making in tunings} - {None}
        tuned = [base for base in bases if base.name in (chosen or base_names | inputs)]
        return next(iter(tuned or bases), None)
