"""Compares two versions of an evaluation by their answers to the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidemill.catalog import METRICS
from tidemill.engine.evaluation_change import (
    GateChange,
    GateState,
    MetricChange,
    VersionComparison,
)
from tidemill.engine.gate import GateResult
from tidemill.engine.measurement import Measure
from tidemill.engine.sampled_gate import MeasureTable, gate_state
from tidemill.engine.trivial_baseline import BaselineTable, quality_metrics
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline, load_baseline
from tidemill.pipeline.evaluated_version import EvaluatedVersion
from tidemill.pipeline.evaluation_outcome import (
    EvaluationOutcome,
    gains_on,
    judge_answers,
    measure_answers,
)
from tidemill.pipeline.flipped_rows import flipped_rows
from tidemill.pipeline.slice_members import SliceMembers, slice_members
from tidemill.pipeline.trivial_comparison import compare_with_baselines
from tidemill.spec.dataset import Dataset, Privacy
from tidemill.spec.evaluation import Evaluation

_SPEED = ("quantile", "speed")


@dataclass(frozen=True)
class AnsweredVersion:
    """A version with its answers, to rows that the other version has in the same order."""

    version: EvaluatedVersion
    answers: Sequence[EvaluatedRow]

    @property
    def size(self) -> float:
        """Bytes of what would serve."""
        store = self.version.context.store
        return answering.served_bytes(
            self.version.model.path, resolve=lambda digest: store.get(digest).path
        )

    @property
    def slices(self) -> tuple[SliceMembers, ...]:
        """The rows of each slice of the version's spec."""
        folder = self.version.context.project_folder
        return slice_members(self.version.spec.slices, self.answers, folder)

    def judge(self) -> EvaluationOutcome:
        """Measures and gates, with the live release as the version's spec names it.

        The comparison with trivial baselines is made only where it is a gate, and never asks the
        base model: that takes as long as the evaluation.
        """
        spec, inputs, context = self.version.spec, self.version.inputs, self.version.context
        other = load_baseline(spec, self.answers, inputs, context)
        table = BaselineTable()
        if spec.trivial_baselines.gate:
            quick = spec.trivial_baselines.model_copy(update={"few_shot": 0})
            quick_spec = spec.model_copy(update={"trivial_baselines": quick})
            table = compare_with_baselines(quick_spec, self.answers, inputs, context, other)
        return judge_answers(spec, self.answers, self.size, other, table, self.slices)


def compare_versions(
    after: AnsweredVersion, before: AnsweredVersion | None, total_rows: int
) -> VersionComparison:
    """Metrics, gates and flipped rows; `total_rows` is how many rows a run would ask."""
    spec, context = after.version.spec, after.version.context
    dataset = context.specs.get(spec.dataset)
    privacy = dataset.privacy if isinstance(dataset, Dataset) else Privacy()
    is_sample = len(after.answers) < total_rows
    key = context.subject_key
    return VersionComparison(
        rows=len(after.answers),
        total_rows=total_rows,
        metrics=_metric_changes(after, before),
        gates=_gate_changes(after, before, is_sample),
        flips=flipped_rows(spec, after.answers, before.answers, privacy, key) if before else None,
        confidence=spec.confidence,
        notes=tuple(_notes(spec)),
    )


def _notes(spec: Evaluation) -> Iterator[str]:
    if any(METRICS.load(name).KIND in _SPEED for name in spec.metrics):
        yield "speeds of answers that were given before are those of that time"
    if spec.trivial_baselines.gate and spec.trivial_baselines.few_shot:
        yield "the few-shot baseline is left out; `tidemill run` asks it"


def _metric_changes(
    after: AnsweredVersion, before: AnsweredVersion | None
) -> tuple[MetricChange, ...]:
    """Each metric of the new version's spec, over all rows and over each slice."""
    spec, slices = after.version.spec, after.slices
    measures = measure_answers(spec, after.answers, after.size, slices)
    quality = quality_metrics([measure.metric for measure in measures])
    former: Sequence[Measure | None] = [None] * len(measures)
    gains: Sequence[Measure | None] = former
    if before is not None:
        by_id = {row.id: row for row in before.answers}
        answers = answering.align_baseline(after.answers, by_id)
        other = Baseline(by_id, {}, before.size, {})
        former = measure_answers(spec, answers, before.size, slices)
        gains = gains_on(spec, after.answers, after.size, other, slices)
    rows = zip(measures, former, gains, strict=True)
    return tuple(MetricChange(new, old, gain, new.metric in quality) for new, old, gain in rows)


def _gate_changes(
    after: AnsweredVersion, before: AnsweredVersion | None, is_sample: bool
) -> tuple[GateChange, ...]:
    """Each blocking gate of both versions, those of the new one first."""
    new = dict(_gate_states(after, is_sample))
    old = dict(_gate_states(before, is_sample)) if before else {}
    return tuple(_gate_change(name, new.get(name), old.get(name)) for name in {**new, **old})


def _gate_states(
    answered: AnsweredVersion, is_sample: bool
) -> Iterator[tuple[str, tuple[GateState, GateResult]]]:
    spec: Evaluation = answered.version.spec
    outcome = answered.judge()
    measures, gains = _table(outcome.measures), _table(outcome.gains or ())
    for index, result in enumerate(outcome.verdict.outcomes):
        gate = spec.gates[index] if index < len(spec.gates) else None
        state = gate_state(gate, result, measures, gains, is_sample=is_sample)
        yield result.name, (state, result)


def _gate_change(
    name: str,
    after: tuple[GateState, GateResult] | None,
    before: tuple[GateState, GateResult] | None,
) -> GateChange:
    newest = after or before
    assert newest is not None
    states = [side[0] if side else None for side in (before, after)]
    return GateChange(name, states[0], states[1], newest[1].message)


def _table(measures: Sequence[Measure]) -> MeasureTable:
    return {(measure.metric, measure.slice): measure for measure in measures}
