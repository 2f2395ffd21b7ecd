"""The baseline of an evaluation: what the live or a pinned release answers on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill.pipeline import answers as answering
from tidemill.pipeline.answer_file import read_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt_loading import load_program
from tidemill.ports import Artefact
from tidemill.spec.evaluation import Evaluation, LiveBaseline
from tidemill.spec.neighbours import prompt_name


@dataclass(frozen=True)
class Baseline:
    """The baseline's answers by row id, its size, and how many rows it could be asked."""

    answers: Mapping[str, EvaluatedRow]
    recorded: Mapping[str, EvaluatedRow]
    """Those of its own evaluation, on the test set of that time."""
    size: float | None
    summary: Mapping[str, object]


def load_baseline(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
) -> Baseline | None:
    """The spec's baseline; None where it names none or no release is live yet.

    Rows come from the baseline's own evaluation report, joined by row id. Rows it never saw are
    answered now by its model, where `inputs` hold it as `live:<service>` (its prompt as
    `live-prompt:<service>`); otherwise they stay unpaired and are counted.
    """
    if spec.baseline is None or bench.baseline_report is None:
        return None
    live = isinstance(spec.baseline, LiveBaseline)
    name = (
        spec.baseline.service if isinstance(spec.baseline, LiveBaseline) else spec.baseline.release
    )
    report = bench.baseline_report(name)
    if report is None:
        return None
    recorded = read_answers(report.path)
    missing = [answer for answer in answers if answer.id not in recorded]
    model = inputs.get(f"live:{name}") if live else None
    fresh = _asked_again(spec, missing, model, name, inputs, bench) if missing and model else {}
    baseline_answers = {**recorded, **fresh}
    paired = sum(answer.id in baseline_answers for answer in answers)
    summary = {
        "name": name,
        "report": report.digest,
        "paired": paired,
        "asked_again": len(fresh),
        "unpaired": len(answers) - paired,
    }
    return Baseline(baseline_answers, recorded, _size(report, model, bench), summary)


def _asked_again(
    spec: Evaluation,
    missing: Sequence[EvaluatedRow],
    model: Artefact,
    service: str,
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
) -> dict[str, EvaluatedRow]:
    name = prompt_name(spec, bench.specs)
    theirs = inputs.get(f"live-prompt:{service}")
    changed = {**inputs, name: theirs} if name and theirs else inputs
    program = load_program(name, changed, bench.specs)
    fresh_answers = answering.answer_rows(
        model.path,
        [answer.row for answer in missing],
        program,
        resolve=lambda digest: bench.store.get(digest).path,
        say=bench.progress,
        title=f"{spec.name}: running the baseline on {len(missing)} new rows",
    )
    return {mine.id: answer for mine, answer in zip(missing, fresh_answers, strict=True)}


def _size(report: Artefact, model: Artefact | None, bench: BuildContext) -> float | None:
    if model is not None:
        return answering.served_bytes(model.path, resolve=lambda d: bench.store.get(d).path)
    content = json.loads((report.path / "report.json").read_text(encoding="utf-8"))
    size = content.get("size")
    return float(size) if size is not None else None
