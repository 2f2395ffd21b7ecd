"""Makes a Compression: the steps, then the targets, each checked against the form before it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

from tidemill.catalog import COMPRESSION, METRICS
from tidemill.compression import Conversations, artefact_kind, targets
from tidemill.engine.compression_goal import GoalResult, check_goal
from tidemill.engine.concordance import ANSWER, LABEL, TEXT
from tidemill.engine.equivalence import judge
from tidemill.engine.estimate import estimate
from tidemill.errors import EquivalenceBroken
from tidemill.form import ModelForm
from tidemill.pipeline.checks import declared_checks
from tidemill.pipeline.compression_chain import Chain
from tidemill.pipeline.compression_rows import calibration_conversations, comparison_rows
from tidemill.pipeline.context import BuildContext, BuildResult, Check, Measure
from tidemill.pipeline.hop_picture import compression_chart
from tidemill.pipeline.prompt_loading import load_program
from tidemill.ports import Artefact
from tidemill.prompts import output_parsing
from tidemill.spec.base import Spec
from tidemill.spec.compression import Compression
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.neighbours import prompt_name
from tidemill.spec.prompt import JsonOutput

_SPEED = ("quantile", "speed")


def build(spec: Compression, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """The compressed form; the main artefact is the one ONNX Runtime serves.

    Raises EquivalenceBroken, with the hops and artefacts so far, as soon as a hop changes more
    answers than the spec allows. A missed goal does not raise: it fails its check.
    """
    started = time.monotonic()
    program = load_program(prompt_name(spec, bench.specs), inputs, bench.specs)
    chain = Chain(
        spec=spec,
        bench=bench,
        rows=comparison_rows(spec, inputs, bench),
        program=program,
        metrics=_quality(spec, bench.specs),
        source=inputs[spec.of],
        basis=_basis(program, ModelForm.read(inputs[spec.of].path)),
    )
    calibration = calibration_conversations(spec, inputs, program)
    try:
        chain.begin()
        for step in spec.steps:
            module, options = COMPRESSION.load(step.type), step.options
            chain.step(
                step.type, artefact_kind(module, options), _compress(module, options, calibration)
            )
            _stop_if_broken(spec, chain)
        for target in spec.targets:
            chain.target(targets.load(target.runtime), target)
            _stop_if_broken(spec, chain)
    finally:
        shutil.rmtree(bench.scratch / "exports", ignore_errors=True)
    return _build_result(spec, bench, chain, time.monotonic() - started)


def _compress(module: Any, options: Any, calibration: Conversations | None) -> Any:
    def run(source: Any, out: Any, bench: BuildContext) -> None:
        module.compress(
            source,
            out,
            options,
            resolve=lambda digest: bench.store.get(digest).path,
            calibration=calibration,
            say=bench.progress,
        )

    return run


def _stop_if_broken(spec: Compression, chain: Chain) -> None:
    verdict = judge(chain.hops, spec.equivalence.min_agreement)
    if not verdict.passed:
        raise EquivalenceBroken(
            f"{spec.name}: {verdict.message}", hops=chain.hops, artefacts=chain.steps
        )


def _build_result(
    spec: Compression, bench: BuildContext, chain: Chain, seconds: float
) -> BuildResult:
    verdict = judge(chain.hops, spec.equivalence.min_agreement)
    goals = _goals(spec, chain)
    names = [check.name for check in declared_checks(spec)]
    alike = Check(names[0], verdict.passed, verdict.message)
    checks = [
        Check(name, goal.passed, goal.message, facts={"guilty": goal.failed_step})
        for name, goal in zip(names[1:], goals, strict=True)
    ]
    for check in (alike, *checks):
        bench.progress(f"{spec.name}: {check.message}")
    table = [hop.to_dict() for hop in chain.hops]
    facts = {
        "hops": table,
        "rows": len(chain.rows),
        "bytes": chain.size(chain.main),
        "bytes_before": chain.source_size,
        "ratio": chain.size(chain.main) / chain.source_size,
        "agreement": chain.end_to_end,
        "seconds": round(seconds, 2),
    }
    picture = compression_chart(chain.hops, chain.source_size, spec.equivalence.min_agreement)
    return BuildResult(
        artefact=chain.main,
        steps=chain.steps,
        measures=_measures(spec, chain),
        checks=(alike, *checks),
        facts=facts,
        charts={"Size and agreement by hop": picture},
        tables={"Hops": table},
    )


def _goals(spec: Compression, chain: Chain) -> list[GoalResult]:
    results = []
    for goal in spec.goals:
        kind = METRICS.load(goal.metric).KIND
        relative = goal.max_ratio is not None or goal.max_degradation is not None
        before = chain.value(goal.metric, kind, source=True) if relative else 0.0
        after = chain.value(goal.metric, kind, source=False)
        results.append(check_goal(goal, before, after, chain.hops))
    return results


def _measures(spec: Compression, chain: Chain) -> tuple[Measure, ...]:
    names = dict.fromkeys(
        [*_quality(spec, chain.bench.specs), *(goal.metric for goal in spec.goals), "size"]
    )
    measures = []
    for name in names:
        answers = chain.timed_rows(source=False) if _kind(name) in _SPEED else chain.last
        scored = [answer.metric_row for answer in answers]
        value = estimate(name, scored, size=float(chain.size(chain.main)))
        measures.append(Measure(name, value.value, value.low, value.high, len(scored)))
    return tuple(measures)


def _basis(program: Any, form: ModelForm) -> str:
    """What an answer is about: a label, data, or a text or ranking that metrics judge."""
    if form.task == "ranking":
        return TEXT
    if program is None or output_parsing.label_column(program.output):
        return LABEL
    return ANSWER if isinstance(program.output, JsonOutput) else TEXT


def _quality(spec: Compression, specs: Mapping[str, Spec]) -> list[str]:
    """Metrics of the answers' quality: those that the goals name, else those of the evaluation that
    judges this form; accuracy where nothing names any."""
    judges = [s for s in specs.values() if isinstance(s, Evaluation) and s.of == spec.name]
    gated = [gate.metric for judge_spec in judges for gate in judge_spec.gates]
    judged = [*gated, *(metric for judge_spec in judges for metric in judge_spec.metrics)]
    for named in ([goal.metric for goal in spec.goals], judged):
        metrics = [name for name in dict.fromkeys(named) if _of_quality(name)]
        if metrics:
            return metrics
    return ["accuracy"]


def _of_quality(name: str) -> bool:
    return _kind(name) not in (*_SPEED, "size")


def _kind(metric: str) -> str:
    return str(METRICS.load(metric).KIND)
