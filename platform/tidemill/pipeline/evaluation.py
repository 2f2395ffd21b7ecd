"""Makes an Evaluation: answers the test rows, measures, judges the gates, writes the report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from tidemill.catalog import METRICS
from tidemill.engine.estimate import estimate, gain, subjects, units
from tidemill.engine.gate import Verdict, judge
from tidemill.errors import DataError
from tidemill.pipeline import answers as answering
from tidemill.pipeline import failures as analysis
from tidemill.pipeline import pictures
from tidemill.pipeline.answers import Answered
from tidemill.pipeline.baseline import Rival, rival
from tidemill.pipeline.checks import declared
from tidemill.pipeline.context import BuildContext, BuildResult, Check, Measure
from tidemill.pipeline.prompt_loading import load_program, prompt_of
from tidemill.ports import Artefact
from tidemill.spec.evaluation import Evaluation, Slice

_SPEED = ("quantile", "speed", "size")


def make(spec: Evaluation, inputs: Mapping[str, Artefact], bench: BuildContext) -> BuildResult:
    """Evaluate `of` on the test rows; gates become blocking checks, the artefact is the report.

    A failed gate does not raise: the report with the reasons is what a person needs then. What
    releases refuses a report whose checks failed.
    """
    started = time.monotonic()
    rows = _rows(spec, inputs)
    model = inputs[spec.of]
    program = load_program(prompt_of(spec, bench.specs), inputs, bench.specs)
    given = answering.answer_rows(
        model.path,
        rows,
        program,
        resolve=lambda digest: bench.store.get(digest).path,
        say=bench.progress,
        what=f"{spec.name}: answering {len(rows)} test rows",
    )
    return conclude(spec, inputs, bench, given, time.monotonic() - started)


def conclude(
    spec: Evaluation,
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
    given: Sequence[Answered],
    seconds: float = 0.0,
) -> BuildResult:
    """Measure answers, compare them with the baseline's, judge the gates, write the report."""
    bench.progress(f"{spec.name}: measuring")
    other = rival(spec, given, inputs, bench)
    size = answering.size_of(inputs[spec.of].path, resolve=lambda d: bench.store.get(d).path)
    judged = _judged(spec, given, size, other)
    report = _report(spec, inputs, judged, other, given, seconds)
    return _made(spec, bench, report, judged, given)


def _rows(spec: Evaluation, inputs: Mapping[str, Artefact]) -> list[dict[str, Any]]:
    """All test rows, or the sample of them whose hashes under the seed are smallest."""
    from tidemill.data import read_split

    rows = read_split(inputs[spec.dataset].path, "test")
    if not rows:
        raise DataError(
            f"dataset '{spec.dataset}' has no test rows; give its split a test share, or a source "
            "with `split: test`"
        )
    if spec.rows is None or spec.rows >= len(rows):
        return rows
    places = {answering.row_id(row, place): place for place, row in enumerate(rows)}
    drawn = sorted(places, key=lambda row: sha256(f"{spec.seed}:{row}".encode()).digest())
    return [rows[place] for place in sorted(places[row] for row in drawn[: spec.rows])]


@dataclass(frozen=True)
class Judged:
    """Measures, gains against the baseline and what the gates say."""

    measures: tuple[Measure, ...]
    gains: tuple[Measure, ...] | None
    verdict: Verdict
    size: float


def _judged(
    spec: Evaluation, given: Sequence[Answered], size: float, other: Rival | None
) -> Judged:
    names = list(dict.fromkeys([*spec.metrics, *(gate.metric for gate in spec.gates)]))
    wanted = [(name, part) for name in names for part in _parts(spec, name)]
    measures = tuple(_measure(spec, name, part, given, size) for name, part in wanted)
    gains = None
    if other is not None:
        gains = tuple(_gain(spec, name, part, given, size, other) for name, part in wanted)
    verdict = judge(measures, gains, spec.gates, units=units(names))
    return Judged(measures, gains, verdict, size)


def _parts(spec: Evaluation, name: str) -> list[Slice | None]:
    return [None] if METRICS.load(name).KIND == "size" else [None, *spec.slices]


def _inside(part: Slice | None, row: Mapping[str, Any]) -> bool:
    if part is None:
        return True
    value = row.get(part.column)
    return value == part.equals if part.equals is not None else value in part.one_of


def _measure(
    spec: Evaluation, name: str, part: Slice | None, given: Sequence[Answered], size: float
) -> Measure:
    here = [one for one in given if _inside(part, one.row)]
    found = estimate(
        name,
        [one.scored for one in here],
        confidence=spec.confidence,
        seed=spec.seed,
        size=size,
        clusters=subjects([one.row for one in here]),
    )
    label = part.name if part else None
    return Measure(name, found.value, found.low, found.high, len(here), label)


def _gain(
    spec: Evaluation,
    name: str,
    part: Slice | None,
    given: Sequence[Answered],
    size: float,
    other: Rival,
) -> Measure:
    here = [one for one in given if _inside(part, one.row) and one.id in other.answers]
    found = gain(
        name,
        [one.scored for one in here],
        [one.scored for one in answering.against(here, other.answers)],
        confidence=spec.confidence,
        seed=spec.seed,
        sizes=(size, other.size),
        clusters=subjects([one.row for one in here]),
    )
    label = part.name if part else None
    return Measure(name, found.value, found.low, found.high, len(here), label)


def _report(
    spec: Evaluation,
    inputs: Mapping[str, Artefact],
    judged: Judged,
    other: Rival | None,
    given: Sequence[Answered],
    seconds: float,
) -> dict[str, Any]:
    failed = analysis.failures(given, spec.metrics)
    return {
        "evaluation": spec.name,
        "of": spec.of,
        "inputs": {name: artefact.digest for name, artefact in sorted(inputs.items())},
        "rows": len(given),
        "confidence": spec.confidence,
        "seed": spec.seed,
        "size": judged.size,
        "measures": [_plain(asdict(one)) for one in judged.measures],
        "gains": None if judged.gains is None else [_plain(asdict(one)) for one in judged.gains],
        "baseline": other.summary if other else None,
        "gates": [_plain(asdict(one)) for one in judged.verdict.outcomes],
        "passed": judged.verdict.passed,
        "message": judged.verdict.message,
        "unreadable": sum(not one.answer.valid for one in given),
        "cut_off": sum(one.finish == "length" for one in given),
        "seconds": seconds,
        "failures": failed,
        "clusters": analysis.clusters(given, failed),
    }


def _made(
    spec: Evaluation,
    bench: BuildContext,
    report: dict[str, Any],
    judged: Judged,
    given: Sequence[Answered],
) -> BuildResult:
    folder = bench.scratch / "report"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shown = _pictures(spec, judged, given)
    faults = {key: report.pop(key) for key in ("failures", "clusters")}
    _write(folder / "report.json", report)
    _write(folder / "failures.json", faults)
    answering.write(folder, given)
    for title, png in shown.items():
        (folder / f"{title.split()[0].lower()}.png").write_bytes(png)
    keys = ("rows", "passed", "unreadable", "cut_off", "seconds", "baseline")
    facts = {key: report[key] for key in keys}
    return BuildResult(
        artefact=bench.store.put(folder, kind="report", meta={"passed": report["passed"]}),
        measures=judged.measures,
        checks=_checks(spec, judged.verdict),
        facts=facts,
        charts=shown,
        tables=_tables(judged, faults),
    )


def _pictures(spec: Evaluation, judged: Judged, given: Sequence[Answered]) -> dict[str, bytes]:
    quality = [name for name in spec.metrics if METRICS.load(name).KIND not in _SPEED]
    found = {
        "Confusion matrix": pictures.confusion(given),
        "Slices": pictures.slices(judged.measures, quality[0]) if quality else None,
    }
    return {title: png for title, png in found.items() if png}


def _checks(spec: Evaluation, verdict: Verdict) -> tuple[Check, ...]:
    return tuple(
        Check(check.name, outcome.passed, outcome.message, facts=_plain(asdict(outcome)))
        for check, outcome in zip(declared(spec), verdict.outcomes, strict=True)
    )


def _tables(judged: Judged, faults: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found = {
        "Gains on the baseline": [asdict(one) for one in judged.gains or ()],
        "Worst failures": faults["failures"][: analysis.SHOWN],
        "Groups of failures": faults["clusters"][: analysis.SHOWN],
    }
    return {title: [_plain(row) for row in table] for title, table in found.items() if table}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no nan and no infinity: they become null."""
    return {
        key: None if isinstance(value, float) and not isfinite(value) else value
        for key, value in record.items()
    }


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    path.write_text(text + "\n", encoding="utf-8")
