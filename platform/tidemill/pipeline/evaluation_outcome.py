"""What an evaluation found: measures, gains, comparisons, and what its gates say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidemill.catalog import METRICS
from tidemill.engine.check_names import FORGETTING
from tidemill.engine.estimate import estimate, gain, subjects, units
from tidemill.engine.forgetting import ForgettingVerdict
from tidemill.engine.gate import GateResult, GateVerdict, judge
from tidemill.engine.measurement import finite_record
from tidemill.engine.trivial_baseline import BaselineTable
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline
from tidemill.pipeline.checks import CheckSpec, declared_checks
from tidemill.pipeline.context import Check, Measure
from tidemill.pipeline.forgetting import compare_groups
from tidemill.pipeline.slice_members import SliceMembers
from tidemill.spec.evaluation import Evaluation


@dataclass(frozen=True)
class EvaluationOutcome:
    """Measures, gains against the baseline, both tables, and what the gates say."""

    measures: tuple[Measure, ...]
    gains: tuple[Measure, ...] | None
    verdict: GateVerdict
    size: float
    table: BaselineTable
    forgetting: ForgettingVerdict | None
    warnings: tuple[str, ...]
    """What failed and stops nothing."""
    checks: tuple[Check, ...]


def judge_answers(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    size: float,
    other: Baseline | None,
    table: BaselineTable,
    slices: Sequence[SliceMembers],
) -> EvaluationOutcome:
    """Measure the answers over all rows and slices, compare them, and judge every gate."""
    measures = measure_answers(spec, answers, size, slices)
    gains = None if other is None else gains_on(spec, answers, size, other, slices)
    verdict = judge(measures, gains, spec.gates, units=units(_metrics(spec)))
    forgetting = compare_groups(spec, answers, other, slices) if other else None
    outcomes = [*verdict.outcomes, *_default_outcomes(spec, table, forgetting)]
    declared = list(zip(declared_checks(spec), outcomes, strict=True))
    warnings = (o.message for check, o in declared if not (check.blocking or o.passed))
    return EvaluationOutcome(
        measures, gains, GateVerdict(tuple(o for check, o in declared if check.blocking)), size,
        table, forgetting, tuple(warnings),
        tuple(_check(check, outcome) for check, outcome in declared),
    )  # fmt: skip


def measure_answers(
    spec: Evaluation, answers: Sequence[EvaluatedRow], size: float, slices: Sequence[SliceMembers]
) -> tuple[Measure, ...]:
    """Each metric of an evaluation and its gates, over all rows and over each slice."""
    parts = _all_parts(spec, slices)
    return tuple(_measure(spec, name, part, answers, size) for name, part in parts)


def gains_on(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    size: float,
    other: Baseline,
    slices: Sequence[SliceMembers],
) -> tuple[Measure, ...]:
    """How much better the answers are than those of `other` on the rows that both have, in the
    order of `measure_answers`; more is better whatever the metric."""
    parts = _all_parts(spec, slices)
    return tuple(_gain(spec, name, part, answers, size, other) for name, part in parts)


def _metrics(spec: Evaluation) -> list[str]:
    return list(dict.fromkeys([*spec.metrics, *(gate.metric for gate in spec.gates)]))


def _all_parts(
    spec: Evaluation, slices: Sequence[SliceMembers]
) -> list[tuple[str, SliceMembers | None]]:
    return [(name, part) for name in _metrics(spec) for part in _parts(slices, name)]


def _default_outcomes(
    spec: Evaluation, table: BaselineTable, forgetting: ForgettingVerdict | None
) -> Iterator[GateResult]:
    """What the comparisons say that every evaluation makes, in the order of `declared_checks`."""
    if forgetting is not None:
        yield forgetting.result
    elif spec.baseline is not None:
        yield GateResult(FORGETTING, True, "skipped: first release, no baseline", "")
    yield table.result(required=spec.trivial_baselines.gate)


def _parts(slices: Sequence[SliceMembers], name: str) -> list[SliceMembers | None]:
    return [None] if METRICS.load(name).KIND == "size" else [None, *slices]


def _measure(
    spec: Evaluation,
    name: str,
    part: SliceMembers | None,
    answers: Sequence[EvaluatedRow],
    size: float,
) -> Measure:
    rows = list(answers) if part is None else part.of(answers)
    interval = estimate(
        name,
        [answer.metric_row for answer in rows],
        confidence=spec.confidence,
        seed=spec.seed,
        size=size,
        clusters=subjects([answer.row for answer in rows]),
    )
    label = part.name if part else None
    return Measure(name, interval.value, interval.low, interval.high, len(rows), label)


def _gain(
    spec: Evaluation,
    name: str,
    part: SliceMembers | None,
    answers: Sequence[EvaluatedRow],
    size: float,
    other: Baseline,
) -> Measure:
    members = answers if part is None else part.of(answers)
    rows = [answer for answer in members if answer.id in other.answers]
    interval = gain(
        name,
        [answer.metric_row for answer in rows],
        [answer.metric_row for answer in answering.align_baseline(rows, other.answers)],
        confidence=spec.confidence,
        seed=spec.seed,
        sizes=(size, other.size),
        clusters=subjects([answer.row for answer in rows]),
    )
    label = part.name if part else None
    return Measure(name, interval.value, interval.low, interval.high, len(rows), label)


def _check(check: CheckSpec, outcome: GateResult) -> Check:
    facts = finite_record(outcome.to_dict())
    return Check(check.name, outcome.passed, outcome.message, check.blocking, facts)
