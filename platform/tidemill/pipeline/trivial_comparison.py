"""Compares an evaluation's model with trivial baselines and the live release, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.answer import Answer
from tidemill.engine.estimate import subjects
from tidemill.engine.trivial_baseline import (
    BaselineScore,
    BaselineTable,
    compare_answers,
    quality_metrics,
)
from tidemill.errors import TidemillError
from tidemill.metrics import Scored, measure
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline
from tidemill.pipeline.baseline_inputs import baseline_task
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.trivial_baselines import trivial_baselines
from tidemill.ports import Artefact
from tidemill.spec.evaluation import Evaluation

LIVE = "live"


def compare_with_baselines(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    inputs: Mapping[str, Artefact],
    context: BuildContext,
    other: Baseline | None,
) -> BaselineTable:
    """Every trivial baseline that fits the task, then `other`; a baseline that cannot be made is
    named with its reason and stops nothing."""
    metrics = quality_metrics(spec.metrics)
    if not metrics:
        return BaselineTable()
    task = baseline_task(spec, answers, inputs, context)
    scores: list[BaselineScore] = []
    absent: dict[str, str] = {}
    for name, module in trivial_baselines(ranks=bool(task.items)):
        context.progress(f"{spec.name}: comparing with the {name} baseline")
        try:
            trivial = module.answer(task)
        except TidemillError as error:
            absent[module.TITLE] = str(error)
            continue
        if trivial is not None:
            baseline = (name, module.TITLE, trivial.note)
            scores += _scores(spec, metrics, baseline, answers, _scored(answers, trivial.answers))
    model = measure(metrics[0], [answer.metric_row for answer in answers])
    live = _live_scores(spec, metrics, answers, other) if other else []
    return BaselineTable(metrics[0], model, (*scores, *live), absent)


def _live_scores(
    spec: Evaluation, metrics: Sequence[str], answers: Sequence[EvaluatedRow], other: Baseline
) -> list[BaselineScore]:
    """The release's own scores on the rows that both answered."""
    paired = [answer for answer in answers if answer.id in other.answers]
    theirs = [row.metric_row for row in answering.align_baseline(paired, other.answers)]
    baseline = (LIVE, "live release", str(other.summary["name"]))
    return _scores(spec, metrics, baseline, paired, theirs, trivial=False)


def _scores(
    spec: Evaluation,
    metrics: Sequence[str],
    baseline: tuple[str, str, str],
    answers: Sequence[EvaluatedRow],
    theirs: Sequence[Scored],
    *,
    trivial: bool = True,
) -> list[BaselineScore]:
    """One score for each metric; `baseline` is its name, title and note."""
    ours = [answer.metric_row for answer in answers]
    clusters = subjects([answer.row for answer in answers])
    scores = []
    for name in metrics:
        value, gain = compare_answers(
            name, ours, theirs, confidence=spec.confidence, seed=spec.seed, clusters=clusters
        )
        scores.append(BaselineScore(*baseline, value, gain, trivial))
    return scores


def _scored(answers: Sequence[EvaluatedRow], theirs: Sequence[Answer]) -> list[Scored]:
    return [
        Scored(answer.reference, reply, row=answer.row)
        for answer, reply in zip(answers, theirs, strict=True)
    ]
