"""Searching a better prompt: try candidates within the budget, then let held-out rows decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tidemill.catalog import SEARCH
from tidemill.data import SPLITS, read_split
from tidemill.engine.estimate import subjects
from tidemill.engine.search import FEWEST, Decision, Parts, Trial, decide, divide, flips, leader
from tidemill.engine.search_budget import Cost, Limits
from tidemill.errors import ArtefactError, DataError, OverBudget
from tidemill.form import Form
from tidemill.pipeline import candidates
from tidemill.pipeline.answers import Answered
from tidemill.pipeline.cached_runtime import Account, Memory, Remembered
from tidemill.pipeline.candidate_evaluator import LocalArena, Reflection, digest_of_rows
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt import question
from tidemill.pipeline.search_report import Flip
from tidemill.ports import Artefact
from tidemill.prompts import output_parsing
from tidemill.runtimes import Runtime, open_runtime
from tidemill.search import Candidate, Ground, Remark
from tidemill.search.wordings import wordings
from tidemill.spec.prompt import Optimise, Prompt

SHOWN = 5
"""Flipped examples shown, each way."""


@dataclass(frozen=True)
class Found:
    """What a search gave."""

    spec: Prompt
    model: str
    """The spec whose weights answered."""
    method: str
    seed: int
    parts: Parts
    trials: tuple[Trial, ...]
    leader: Candidate | None
    """The best on the ranking rows; None where that is the prompt as it is."""
    decision: Decision | None
    """None where nothing led, so that no deciding row was asked."""
    better: tuple[Flip, ...]
    worse: tuple[Flip, ...]
    flipped: tuple[int, int]
    """How many rows flipped each way."""
    spent: Cost
    fresh: Cost
    limits: Limits
    ended: str
    """Why the search stopped."""
    remarks: int = 0
    encoder: str = ""

    @property
    def proposes(self) -> bool:
        """Whether there is something to merge."""
        return self.decision is not None and self.decision.proposes


@dataclass(frozen=True)
class Wish:
    """What the command line asks for, over what the spec says."""

    method: str
    seed: int
    limits: Limits
    remarks: tuple[Remark, ...] = ()
    encoder: str = ""


def optimise(
    spec: Prompt,
    search: Optimise,
    model: tuple[str, Artefact],
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
    memory: Memory,
    wish: Wish,
    reflection: Reflection | None = None,
) -> Found:
    """Search and decide; raises OverBudget where the budget does not reach for one candidate.

    `inputs` hold the search's dataset, and whatever the prompt itself takes, by spec name.
    """
    name, artefact = model
    parts = _parts(spec, search, inputs, wish.seed)
    wish = replace(wish, remarks=_open(wish.remarks, spec, search, inputs))
    account = Account(wish.limits)
    runtime = Remembered(
        artefact.digest, _generates(artefact), _loader(artefact, bench), memory, account
    )
    arena = LocalArena(
        ground=_ground(spec, search, parts, bench, wish),
        runtime=runtime,
        program=lambda one: candidates.program(
            spec, one, inputs, bench.project_folder, wish.encoder
        ),
        account=account,
        deciding=len(parts.deciding),
        reflection=reflection,
        say=bench.progress,
    )
    try:
        ended = _explore(arena, wish)
        return _decided(spec, search, name, arena, memory, parts, wish, ended, artefact.digest)
    finally:
        runtime.close()


def _explore(arena: LocalArena, wish: Wish) -> str:
    """Let the method search; gives why it ended."""
    try:
        SEARCH.load(wish.method).search(arena, Random(wish.seed))
        ended = "every candidate of the method was tried"
    except OverBudget as error:
        ended = str(error)
    if not any(trial.value is not None for trial in arena.trials.values()):
        deciding, ranking = 2 * arena.deciding, len(arena.ground.dev)
        raise OverBudget(
            f"{ended}; deciding takes {deciding} calls and ranking one candidate {ranking}: raise "
            "the limits under `optimise`, or lower `rank_on` and `decide_on`"
        )
    return ended


def _decided(
    spec: Prompt,
    search: Optimise,
    name: str,
    arena: LocalArena,
    memory: Memory,
    parts: Parts,
    wish: Wish,
    ended: str,
    digest: str,
) -> Found:
    found = Found(
        spec=spec, model=name, method=wish.method, seed=wish.seed, parts=parts,
        trials=tuple(arena.trials.values()), leader=None, decision=None, better=(), worse=(),
        flipped=(0, 0), spent=arena.account.purse.spent, fresh=arena.account.fresh,
        limits=wish.limits, ended=ended, remarks=len(wish.remarks), encoder=wish.encoder,
    )  # fmt: skip
    first = leader(found.trials)
    start = arena.ground.start
    if first is None or first.candidate == start:
        return found
    arena.release()
    arena.say(f"deciding on {len(parts.deciding)} rows that no choice has looked at")
    before, after = (arena.ask(one, parts.deciding) for one in (start, first.candidate))
    look = memory.look(digest_of_rows(digest, parts.deciding), first.candidate.digest)
    decision = decide(
        search.metric,
        [one.scored for one in before],
        [one.scored for one in after],
        look=look,
        clusters=subjects(parts.deciding),
        seed=wish.seed,
    )
    better, worse = _flips(spec, search.metric, before, after)
    return replace(
        found, leader=first.candidate, decision=decision, better=better[:SHOWN],
        worse=worse[:SHOWN], flipped=(len(better), len(worse)),
        spent=arena.account.purse.spent, fresh=arena.account.fresh,
    )  # fmt: skip


def _flips(
    spec: Prompt, metric: str, before: Sequence[Answered], after: Sequence[Answered]
) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    apart = flips(metric, [one.scored for one in before], [one.scored for one in after])

    def at(place: int) -> Flip:
        row = before[place].row
        asked = " / ".join(str(row.get(name, "")) for name in spec.inputs)
        wanted = output_parsing.write(spec.output, row)
        return Flip(asked, wanted, before[place].output, after[place].output)

    return tuple(map(at, apart.better)), tuple(map(at, apart.worse))


def _parts(spec: Prompt, search: Optimise, inputs: Mapping[str, Artefact], seed: int) -> Parts:
    folder = inputs[search.dataset].path
    train, held_out = (
        [
            (question(row, spec.inputs), row)
            for row in read_split(folder, split)
            if candidates.usable(spec, row)
        ]
        for split in (search.train, search.validate_on)
    )
    parts = divide(train, held_out, rank_on=search.rank_on, decide_on=search.decide_on, seed=seed)
    if not parts.dev or len(parts.deciding) < FEWEST:
        raise DataError(
            f"'{search.dataset}' has {len(parts.dev)} rows to rank on and {len(parts.deciding)} to "
            f"decide on; a search needs 1 and {FEWEST}. Give the dataset more rows, or "
            f"'{search.validate_on}' a larger share in `split.ratios`"
        )
    return parts


def _open(
    remarks: Sequence[Remark], spec: Prompt, search: Optimise, inputs: Mapping[str, Artefact]
) -> tuple[Remark, ...]:
    """Remarks on questions that no row outside of the split searched on asks: they tell answers."""
    folder = inputs[search.dataset].path
    closed = {
        question(row, spec.inputs)
        for split in SPLITS
        if split != search.train
        for row in read_split(folder, split)
    }
    return tuple(remark for remark in remarks if remark.question not in closed)


def _ground(
    spec: Prompt, search: Optimise, parts: Parts, bench: BuildContext, wish: Wish
) -> Ground:
    start = candidates.start_of(spec, bench.project_folder)
    column = output_parsing.label_column(spec.output)
    labels = sorted({str(row[column]) for row in (*parts.pool, *parts.dev)}) if column else []
    return Ground(
        start=start,
        pool=tuple(candidates.shown(spec, row) for row in parts.pool),
        dev=parts.dev,
        inputs=spec.inputs,
        metric=search.metric,
        most=search.demonstrations,
        wordings=wordings(spec.output, labels, start.system),
        encoder=wish.encoder,
        remarks=wish.remarks,
    )


def _generates(artefact: Artefact) -> Form:
    form = Form.read(artefact.path)
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
