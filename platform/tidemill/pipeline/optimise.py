"""Searching a better prompt: try candidates within the budget, then let held-out rows decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tidemill.catalog import SEARCH
from tidemill.data import SPLITS, read_split
from tidemill.data.example_order import KIND, VERIFIED, example_rows
from tidemill.engine.estimate import subjects
from tidemill.engine.search import (
    FEWEST,
    SearchDecision,
    SearchRows,
    Trial,
    answer_changes,
    best_trial,
    decide,
    divide_rows,
)
from tidemill.engine.search_budget import Cost, Limits
from tidemill.errors import ArtefactError, DataError, OverBudget
from tidemill.form import ModelForm
from tidemill.pipeline import candidates
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.cached_runtime import AnswerMemory, CachedRuntime, SearchAccount
from tidemill.pipeline.candidate_evaluator import CandidateEvaluator, ReflectionModel, row_digests
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt import normalised_question
from tidemill.pipeline.search_report import AnswerChange
from tidemill.ports import Artefact
from tidemill.prompts import output_parsing
from tidemill.runtimes import Runtime, open_runtime
from tidemill.search import Candidate, SearchSpace, UserComment
from tidemill.search.wordings import wordings
from tidemill.spec.prompt import Optimise, Prompt

SHOWN = 5
"""Flipped examples shown, each way."""


@dataclass(frozen=True)
class PromptSearchResult:
    """Result of a prompt search."""

    spec: Prompt
    model: str
    """The spec whose weights answered."""
    method: str
    seed: int
    row_sets: SearchRows
    trials: tuple[Trial, ...]
    leader: Candidate | None
    """The best on the ranking rows; None where that is the prompt as it is."""
    decision: SearchDecision | None
    """None where nothing led, so that no deciding row was asked."""
    improved: tuple[AnswerChange, ...]
    worsened: tuple[AnswerChange, ...]
    flipped: tuple[int, int]
    """Number of rows that improved, and that got worse."""
    spent: Cost
    spent_now: Cost
    limits: Limits
    stop_reason: str
    """Reason for the end of the search."""
    comments: int = 0
    encoder: str = ""

    @property
    def has_proposal(self) -> bool:
        """True where a pull request should be opened."""
        return self.decision is not None and self.decision.is_better


@dataclass(frozen=True)
class SearchRequest:
    """Arguments of the command line, which override the spec."""

    method: str
    seed: int
    limits: Limits
    comments: tuple[UserComment, ...] = ()
    encoder: str = ""


def optimise(
    spec: Prompt,
    search: Optimise,
    model: tuple[str, Artefact],
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
    memory: AnswerMemory,
    request: SearchRequest,
    reflection: ReflectionModel | None = None,
) -> PromptSearchResult:
    """Search and decide; raises OverBudget where the budget does not reach for one candidate.

    `inputs` hold the search's dataset, and whatever the prompt itself takes, by spec name.
    """
    name, artefact = model
    parts = _parts(spec, search, inputs, request.seed)
    request = replace(request, comments=_open(request.comments, spec, search, inputs))
    account = SearchAccount(request.limits)
    runtime = CachedRuntime(
        artefact.digest, _generates(artefact), _loader(artefact, bench), memory, account
    )
    arena = CandidateEvaluator(
        space=_ground(spec, search, parts, bench, request),
        runtime=runtime,
        program=lambda one: candidates.candidate_program(
            spec, one, inputs, bench.project_folder, request.encoder
        ),
        budget=account,
        deciding_rows=len(parts.deciding),
        reflection=reflection,
        progress=bench.progress,
    )
    try:
        ended = _explore(arena, request)
        return _decide(spec, search, name, arena, memory, parts, request, ended, artefact.digest)
    finally:
        runtime.close()


def _explore(arena: CandidateEvaluator, request: SearchRequest) -> str:
    """Let the method search; gives why it ended."""
    try:
        SEARCH.load(request.method).search(arena, Random(request.seed))
        ended = "every candidate of the method was tried"
    except OverBudget as error:
        ended = str(error)
    if not any(trial.value is not None for trial in arena.trials.values()):
        deciding, ranking = 2 * arena.deciding_rows, len(arena.space.ranking_rows)
        raise OverBudget(
            f"{ended}; the final comparison needs {deciding} calls and ranking one candidate "
            f"needs {ranking}: raise the limits under `optimise`, or lower `rank_on` and "
            "`decide_on`"
        )
    return ended


def _decide(
    spec: Prompt,
    search: Optimise,
    name: str,
    arena: CandidateEvaluator,
    memory: AnswerMemory,
    parts: SearchRows,
    request: SearchRequest,
    ended: str,
    digest: str,
) -> PromptSearchResult:
    result = PromptSearchResult(
        spec=spec, model=name, method=request.method, seed=request.seed, row_sets=parts,
        trials=tuple(arena.trials.values()), leader=None, decision=None, improved=(), worsened=(),
        flipped=(0, 0), spent=arena.budget.budget.spent, spent_now=arena.budget.spent_now,
        limits=request.limits, stop_reason=ended, comments=len(request.comments),
        encoder=request.encoder,
    )  # fmt: skip
    first = best_trial(result.trials)
    start = arena.space.initial
    if first is None or first.candidate == start:
        return result
    arena.free_reserve()
    arena.progress(f"comparing on {len(parts.deciding)} held-out rows")
    before, after = (
        arena.answer_rows(candidate, parts.deciding) for candidate in (start, first.candidate)
    )
    look = memory.record_comparison(row_digests(digest, parts.deciding), first.candidate.digest)
    decision = decide(
        search.metric,
        [candidate.metric_row for candidate in before],
        [candidate.metric_row for candidate in after],
        comparison=look,
        clusters=subjects(parts.deciding),
        seed=request.seed,
    )
    better, worse = _flips(spec, search.metric, before, after)
    return replace(
        result, leader=first.candidate, decision=decision, improved=better[:SHOWN],
        worsened=worse[:SHOWN], flipped=(len(better), len(worse)),
        spent=arena.budget.budget.spent, spent_now=arena.budget.spent_now,
    )  # fmt: skip


def _flips(
    spec: Prompt, metric: str, before: Sequence[EvaluatedRow], after: Sequence[EvaluatedRow]
) -> tuple[tuple[AnswerChange, ...], tuple[AnswerChange, ...]]:
    apart = answer_changes(
        metric,
        [candidate.metric_row for candidate in before],
        [candidate.metric_row for candidate in after],
    )

    def at(index: int) -> AnswerChange:
        row = before[index].row
        question = " / ".join(str(row.get(name, "")) for name in spec.inputs)
        reference = output_parsing.format_target(spec.output, row)
        return AnswerChange(question, reference, before[index].output, after[index].output)

    return tuple(map(at, apart.better)), tuple(map(at, apart.worse))


def _parts(spec: Prompt, search: Optimise, inputs: Mapping[str, Artefact], seed: int) -> SearchRows:
    folder = inputs[search.dataset].path
    train, held_out = (
        [
            (normalised_question(row, spec.inputs), row)
            for row in rows
            if candidates.has_example_columns(spec, row)
        ]
        for rows in (example_rows(folder, search.train), read_split(folder, search.validate_on))
    )
    parts = divide_rows(
        train, held_out, rank_on=search.rank_on, decide_on=search.decide_on, seed=seed
    )
    if not parts.ranking or len(parts.deciding) < FEWEST:
        raise DataError(
            f"'{search.dataset}' has {len(parts.ranking)} rows to rank on and "
            f"{len(parts.deciding)} to decide on; a search needs 1 and {FEWEST}. Give the dataset "
            "more rows, or "
            f"'{search.validate_on}' a larger share in `split.ratios`"
        )
    return parts


def _open(
    remarks: Sequence[UserComment], spec: Prompt, search: Optimise, inputs: Mapping[str, Artefact]
) -> tuple[UserComment, ...]:
    """Remarks on questions that no row outside of the split searched on asks: they tell answers."""
    folder = inputs[search.dataset].path
    closed = {
        normalised_question(row, spec.inputs)
        for split in SPLITS
        if split != search.train
        for row in read_split(folder, split)
    }
    return tuple(remark for remark in remarks if remark.question not in closed)


def _ground(
    spec: Prompt, search: Optimise, parts: SearchRows, bench: BuildContext, request: SearchRequest
) -> SearchSpace:
    start = candidates.initial_candidate(spec, bench.project_folder)
    column = output_parsing.label_column(spec.output)
    labels = (
        sorted({str(row[column]) for row in (*parts.example_pool, *parts.ranking)})
        if column
        else []
    )
    return SearchSpace(
        initial=start,
        pool=tuple(candidates.example_columns(spec, row) for row in parts.example_pool),
        verified=sum(row.get(KIND) in VERIFIED for row in parts.example_pool),
        ranking_rows=parts.ranking,
        inputs=spec.inputs,
        metric=search.metric,
        max_examples=search.demonstrations,
        wordings=wordings(spec.output, labels, start.system),
        encoder=request.encoder,
        comments=request.comments,
    )


def _generates(artefact: Artefact) -> ModelForm:
    form = ModelForm.read(artefact.path)
    if form.task != "causal-lm":
        raise ArtefactError(
            "a classifier takes no prompt; name a causal language model with --model"
        )
    return form


def _loader(artefact: Artefact, bench: BuildContext) -> Callable[[], Runtime]:
    def resolve(digest: str) -> Any:
        return bench.store.get(digest).path

    def load() -> Runtime:
        bench.progress("loading the model")
        return open_runtime(artefact.path, resolve=resolve)

    return load
