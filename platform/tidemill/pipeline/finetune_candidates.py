"""Making a FineTune with candidates: each is trained, the validation rows choose one.

The cheapest comes first. A killed build tries no finished candidate again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tidemill.catalog import METRICS
from tidemill.data import read_split
from tidemill.engine.candidate_choice import (
    CandidateResult,
    choose_candidate,
    expected_cost,
    passes,
)
from tidemill.engine.estimate import estimate, subjects
from tidemill.engine.measurement import Measure
from tidemill.engine.statistics import Interval
from tidemill.errors import DataError, Diverged, TrainingError
from tidemill.form import ModelForm
from tidemill.pipeline import answers as answering
from tidemill.pipeline import finetune
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.pipeline.prompt_loading import load_program
from tidemill.pipeline.trial_notes import read_note, write_note
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.spec.finetune import Candidates, FineTune
from tidemill.spec.options import takes_no_steps


@dataclass(frozen=True)
class _Candidate:
    name: str
    spec: FineTune


def build(
    spec: FineTune, rule: Candidates, inputs: Mapping[str, Artefact], context: BuildContext
) -> BuildResult:
    """The chosen candidate's weights, with the table of all that were tried.

    Raises DataError without validation rows, TrainingError where every training diverged.
    """
    if METRICS.load(rule.metric).KIND in ("quantile", "speed", "size"):
        raise DataError(f"'candidates.metric: {rule.metric}' does not look at answers")
    rows = read_split(inputs[spec.dataset].path, "validation")
    if not rows:
        raise DataError(
            f"'{spec.dataset}' has no validation rows to compare candidates on; give `validation` "
            "a share in `split.ratios`"
        )
    better, limit = METRICS.load(rule.metric).BETTER, rule.limit
    results, built = [], {}
    order = _in_order(spec, rule, inputs)
    for candidate in order:
        result, outcome = _try(candidate, rule.metric, rows, inputs, context)
        results.append(result)
        built[result.name] = outcome
        if passes(result, limit, better):
            break
    chosen = choose_candidate(results, limit, better)
    outcome = built[chosen.name] if chosen else None
    if chosen is None or outcome is None:
        raise TrainingError(f"'{spec.name}': every candidate diverged; lower the learning rates")
    base = next(other.spec.base for other in order if other.name == chosen.name)
    return _with_table(outcome, rule, results, chosen, base)


def _in_order(spec: FineTune, rule: Candidates, inputs: Mapping[str, Artefact]) -> list[_Candidate]:
    """The spec's own values and the alternatives, the cheapest first."""
    plain = spec.model_copy(update={"candidates": None})
    candidates = [_Candidate("as the spec says", plain)]
    candidates += [_Candidate(other.label, other.applied_to(spec)) for other in rule.alternatives]

    def cost(candidate: _Candidate) -> float:
        parameters = ModelForm.read(inputs[candidate.spec.base].path).parameters
        steps = not takes_no_steps(candidate.spec)
        return expected_cost(parameters, takes_steps=steps, epochs=candidate.spec.train.epochs)

    return sorted(candidates, key=cost)


def _try(
    candidate: _Candidate,
    metric: str,
    rows: Sequence[DatasetRow],
    inputs: Mapping[str, Artefact],
    context: BuildContext,
) -> tuple[CandidateResult, BuildResult | None]:
    """Train a candidate and answer the validation rows, or read what came of it before."""
    folder = _folder(candidate.spec, metric, inputs, context)
    note = folder / "candidate.json"
    if not _is_tried(note, context):
        context.progress(f"candidate: {candidate.name}")
        write_note(
            note,
            _train_and_answer(candidate, metric, rows, inputs, replace(context, scratch=folder)),
        )
    outcome = read_note(note)
    bounds = outcome["interval"]
    result = CandidateResult(
        candidate.name, Interval(*bounds) if bounds else None, float(outcome["seconds"])
    )
    if not bounds:
        return result, None
    value = f"{metric} {bounds[0]:.3f} ({bounds[1]:.3f} to {bounds[2]:.3f})"
    context.progress(f"candidate: {candidate.name}: {value} on {bounds[3]} validation rows")
    measures = tuple(map(Measure.from_dict, outcome["measures"]))
    artefact = context.store.get(outcome["artefact"])
    return result, BuildResult(artefact, measures=measures, facts=outcome["facts"])


def _is_tried(note: Path, context: BuildContext) -> bool:
    """True where a candidate was tried and its weights are still in the store."""
    if not note.exists():
        return False
    digest = read_note(note).get("artefact")
    return digest is None or not context.store.missing({digest})


def _train_and_answer(
    candidate: _Candidate,
    metric: str,
    rows: Sequence[DatasetRow],
    inputs: Mapping[str, Artefact],
    context: BuildContext,
) -> dict[str, object]:
    started = time.monotonic()
    try:
        built = finetune.build(candidate.spec, inputs, context)
    except Diverged as error:
        context.progress(f"candidate: {candidate.name} diverged: {error}")
        return {"interval": None, "seconds": time.monotonic() - started}
    answers = answering.answer_rows(
        built.artefact.path,
        rows,
        load_program(candidate.spec.prompt, inputs, context.specs),
        resolve=lambda digest: context.store.get(digest).path,
        say=context.progress,
        title=f"answering {len(rows)} validation rows, {candidate.name}",
    )
    scored = [answer.metric_row for answer in answers]
    interval = estimate(metric, scored, clusters=subjects(rows))
    return {
        "artefact": built.artefact.digest,
        "facts": dict(built.facts),
        "measures": [measure.to_dict() for measure in built.measures],
        "interval": [interval.value, interval.low, interval.high, interval.rows],
        "seconds": time.monotonic() - started,
    }


def _folder(
    spec: FineTune, metric: str, inputs: Mapping[str, Artefact], context: BuildContext
) -> Path:
    """One folder for each candidate: its name is the digest of all that decides its weights."""
    digests = {name: artefact.digest for name, artefact in inputs.items()}
    identity = [spec.model_dump(mode="json", exclude={"budget"}), digests, metric]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = context.scratch / "candidates" / digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _with_table(
    built: BuildResult,
    rule: Candidates,
    results: Sequence[CandidateResult],
    chosen: CandidateResult,
    base: str,
) -> BuildResult:
    table = [result.to_dict(chosen=result is chosen) for result in results]
    skipped = [name for name in _names(rule) if name not in {result.name for result in results}]
    facts = {
        "candidate": chosen.name,
        "candidate_base": base,
        "candidates": table,
        "candidates_metric": rule.metric,
        "candidates_skipped": skipped,
        "candidates_passed": rule.limit is None
        or passes(chosen, rule.limit, METRICS.load(rule.metric).BETTER),
    }
    return replace(built, facts={**built.facts, **facts}, tables={"Candidates": table})


def _names(rule: Candidates) -> Iterator[str]:
    yield "as the spec says"
    yield from (other.label for other in rule.alternatives)
