"""The baseline of an evaluation: what the live or a pinned release answers on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import Answered
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt_loading import load_program, prompt_of
from tidemill.ports import Artefact
from tidemill.spec.evaluation import Evaluation, LiveBaseline


@dataclass(frozen=True)
class Rival:
    """The baseline's answers by row id, its size, and how many rows it could be asked."""

    answers: Mapping[str, Answered]
    size: float | None
    summary: Mapping[str, Any]


def rival(
    spec: Evaluation, given: Sequence[Answered], inputs: Mapping[str, Artefact], bench: BuildContext
) -> Rival | None:
    """The spec's baseline; None where it names none or nothing is live yet.

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
    known = answering.read(report.path)
    missing = [one for one in given if one.id not in known]
    model = inputs.get(f"live:{name}") if live else None
    fresh = _asked_again(spec, missing, model, name, inputs, bench) if missing and model else {}
    answers = {**known, **fresh}
    paired = sum(one.id in answers for one in given)
    summary = {
        "name": name,
        "report": report.digest,
        "paired": paired,
        "asked_again": len(fresh),
        "unpaired": len(given) - paired,
    }
    return Rival(answers, _size(report, model, bench), summary)


def _asked_again(
    spec: Evaluation,
    missing: Sequence[Answered],
    model: Artefact,
    service: str,
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
) -> dict[str, Answered]:
    name = prompt_of(spec, bench.specs)
    theirs = inputs.get(f"live-prompt:{service}")
    changed = {**inputs, name: theirs} if name and theirs else inputs
    program = load_program(name, changed, bench.specs)
    found = answering.answer_rows(
        model.path,
        [one.row for one in missing],
        program,
        resolve=lambda digest: bench.store.get(digest).path,
        say=bench.progress,
        what=f"{spec.name}: the live release answers {len(missing)} rows it has not seen",
    )
    return {mine.id: one for mine, one in zip(missing, found, strict=True)}


def _size(report: Artefact, model: Artefact | None, bench: BuildContext) -> float | None:
    if model is not None:
        return answering.size_of(model.path, resolve=lambda d: bench.store.get(d).path)
    content = json.loads((report.path / "report.json").read_text(encoding="utf-8"))
    size = content.get("size")
    return float(size) if size is not None else None
