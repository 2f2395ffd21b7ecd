"""Makes an Evaluation: answers the test rows, measures, judges the gates, writes the report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tidemill.catalog import METRICS
from tidemill.engine.measurement import finite_record
from tidemill.errors import DataError
from tidemill.pipeline import answers as answering
from tidemill.pipeline import pictures
from tidemill.pipeline.answer_file import write_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline, load_baseline
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.pipeline.evaluation_outcome import EvaluationOutcome, judge_answers
from tidemill.pipeline.failures import SHOWN, Failures, find_failures
from tidemill.pipeline.prompt_loading import load_program
from tidemill.pipeline.sampling import sample_rows
from tidemill.pipeline.slice_members import slice_members
from tidemill.pipeline.trivial_comparison import compare_with_baselines
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.neighbours import prompt_name

_SPEED = ("quantile", "speed", "size")


def build(spec: Evaluation, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """Evaluate `of` on the test rows; gates become blocking checks, the artefact is the report.

    A failed gate does not raise: the report with the reasons is what a person needs then. What
    releases refuses a report whose checks failed.
    """
    started = time.monotonic()
    rows = evaluation_rows(spec, inputs)
    model = inputs[spec.of]
    program = load_program(prompt_name(spec, bench.specs), inputs, bench.specs)
    answers = answering.answer_rows(
        model.path,
        rows,
        program,
        resolve=lambda digest: bench.store.get(digest).path,
        say=bench.progress,
        title=f"{spec.name}: answering {len(rows)} test rows",
    )
    return score_answers(spec, inputs, bench, answers, time.monotonic() - started)


def score_answers(
    spec: Evaluation,
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
    answers: Sequence[EvaluatedRow],
    seconds: float = 0.0,
) -> BuildResult:
    """Measure answers, compare them with the baseline's, judge the gates, write the report."""
    bench.progress(f"{spec.name}: measuring")
    other = load_baseline(spec, answers, inputs, bench)
    size = answering.served_bytes(inputs[spec.of].path, resolve=lambda d: bench.store.get(d).path)
    table = compare_with_baselines(spec, answers, inputs, bench, other)
    slices = slice_members(spec.slices, answers, bench.project_folder)
    judged = judge_answers(spec, answers, size, other, table, slices)
    for warning in judged.warnings:
        bench.progress(f"{spec.name}: warning: {warning}")
    failures = find_failures(answers, spec.metrics)
    report = _report(spec, inputs, judged, other, answers, seconds)
    return _build_result(spec, bench, report, failures, judged, answers)


def evaluation_rows(spec: Evaluation, inputs: Mapping[str, Artefact]) -> list[DatasetRow]:
    """All test rows, or the sample of them whose hashes under the seed are smallest."""
    from tidemill.data import read_split

    rows = read_split(inputs[spec.dataset].path, "test")
    if not rows:
        raise DataError(
            f"dataset '{spec.dataset}' has no test rows; give its split a test share, or a source "
            "with `split: test`"
        )
    return sample_rows(rows, spec.rows, spec.seed)


def _report(
    spec: Evaluation,
    inputs: Mapping[str, Artefact],
    judged: EvaluationOutcome,
    other: Baseline | None,
    answers: Sequence[EvaluatedRow],
    seconds: float,
) -> dict[str, object]:
    return {
        "evaluation": spec.name,
        "of": spec.of,
        "inputs": {name: artefact.digest for name, artefact in sorted(inputs.items())},
        "rows": len(answers),
        "confidence": spec.confidence,
        "seed": spec.seed,
        "size": judged.size,
        "measures": [finite_record(asdict(measure)) for measure in judged.measures],
        "gains": None
        if judged.gains is None
        else [finite_record(asdict(measure)) for measure in judged.gains],
        "baseline": other.summary if other else None,
        "trivial_baselines": judged.table.to_dict(),
        "forgetting": judged.forgetting.to_dict() if judged.forgetting else None,
        "warnings": judged.warnings,
        "gates": [finite_record(outcome.to_dict()) for outcome in judged.verdict.outcomes],
        "passed": judged.verdict.has_passed,
        "message": judged.verdict.message,
        "unreadable": sum(not answer.answer.valid for answer in answers),
        "cut_off": sum(answer.finish == "length" for answer in answers),
        "seconds": seconds,
    }


def _build_result(
    spec: Evaluation,
    bench: BuildContext,
    report: dict[str, object],
    failures: Failures,
    judged: EvaluationOutcome,
    answers: Sequence[EvaluatedRow],
) -> BuildResult:
    folder = bench.scratch / "report"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    charts = _pictures(spec, judged, answers)
    _write(folder / "report.json", report)
    _write(folder / "failures.json", failures.to_dict())
    write_answers(folder, answers)
    for title, png in charts.items():
        (folder / f"{title.split()[0].lower()}.png").write_bytes(png)
    keys = ("rows", "passed", "warnings", "unreadable", "cut_off", "seconds", "baseline")
    facts = {key: report[key] for key in keys}
    return BuildResult(
        artefact=bench.store.put(folder, kind="report", meta={"passed": report["passed"]}),
        measures=judged.measures,
        checks=judged.checks,
        facts=facts,
        charts=charts,
        tables=_tables(judged, failures),
    )


def _pictures(
    spec: Evaluation, judged: EvaluationOutcome, answers: Sequence[EvaluatedRow]
) -> dict[str, bytes]:
    quality = [name for name in spec.metrics if METRICS.load(name).KIND not in _SPEED]
    charts = {
        "Confusion matrix": pictures.confusion_chart(answers),
        "Slices": pictures.slice_chart(judged.measures, quality[0]) if quality else None,
    }
    return {title: png for title, png in charts.items() if png}


def _tables(judged: EvaluationOutcome, failures: Failures) -> dict[str, list[dict[str, object]]]:
    tables = {
        "Gains on the baseline": [asdict(measure) for measure in judged.gains or ()],
        "Worst rows": [row.to_dict() for row in failures.rows[:SHOWN]],
        "Groups of failures": [asdict(group) for group in failures.groups[:SHOWN]],
    }
    return {
        title: [finite_record(row) for row in table] for title, table in tables.items() if table
    }


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    path.write_text(text + "\n", encoding="utf-8")
