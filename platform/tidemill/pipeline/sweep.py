"""Sweeping a fine-tune's hyperparameters: real trainings beside each other, held-out rows decide.

Every trial trains on the train split and watches the half of the validation split that ranks; the
other half decides once, between the present setting and the leader. Trials are kept below the
home: a killed sweep goes on, and inside a trial the training goes on from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from tidemill.catalog import METRICS
from tidemill.content import digest_of
from tidemill.data import SPLITS, read_split
from tidemill.engine.estimate import subjects
from tidemill.engine.search import FEWEST, SearchDecision, Trial, best_trial, decide
from tidemill.engine.search_budget import Cost, Limits, SearchBudget
from tidemill.engine.sweep import Setting, draw_settings, split_halves
from tidemill.errors import DataError, Diverged, MissingArtefact, OverBudget
from tidemill.metrics import measure
from tidemill.pipeline import answers as answering
from tidemill.pipeline import finetune
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.cached_runtime import AnswerMemory
from tidemill.pipeline.candidate_evaluator import row_digests
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt import normalised_question
from tidemill.pipeline.prompt_loading import load_program
from tidemill.pipeline.trial_notes import read_note, write_note
from tidemill.ports import Artefact, Store
from tidemill.progress import Progress
from tidemill.rows import DatasetRow
from tidemill.spec.digest import with_defaults
from tidemill.spec.finetune import FineTune, Sweep, with_settings
from tidemill.spec.prompt import Prompt


class TrialNote(TypedDict):
    """`trial.json`: the result of one trial."""

    setting: dict[str, object]
    value: float | None
    """The metric on the ranking rows; None where the training diverged."""
    seconds: float
    answering: NotRequired[float]
    """Seconds of these that the answers took."""


@dataclass(frozen=True)
class SweepResult:
    """Result of a sweep."""

    spec: FineTune
    seed: int
    trials: tuple[Trial, ...]
    """Settings with their values; the present one, empty, comes first."""
    leader: Setting | None
    decision: SearchDecision | None
    before: tuple[EvaluatedRow, ...]
    after: tuple[EvaluatedRow, ...]
    rows: tuple[int, int]
    """Rows that ranked, rows that decided."""
    spent: Cost
    spent_now: Cost
    limits: Limits
    stop_reason: str

    @property
    def has_proposal(self) -> bool:
        """True where a pull request should be opened."""
        return self.decision is not None and self.decision.is_better


def sweep(
    spec: FineTune,
    search: Sweep,
    inputs: Mapping[str, Artefact],
    bench: BuildContext,
    trial_store: Store,
    memory: AnswerMemory,
    *,
    seed: int = 0,
) -> SweepResult:
    """Train, rank, decide; raises DataError where there are too few validation rows, OverBudget
    where not even the present setting can be trained within the hours.

    `kept` takes the weights of the trials, apart from the artefacts that releases are made of.
    """
    if METRICS.load(search.metric).KIND in ("quantile", "speed", "size"):
        raise DataError(f"'sweep.metric: {search.metric}' does not look at answers; use accuracy")
    stage = _Stage(spec, search, inputs, replace(bench, store=_Over(trial_store, bench.store)))
    points: list[Setting] = [{}]
    points += draw_settings(search.space, current_setting(spec, search), search.trials, seed)
    trials, ended = _trials(stage, points)
    if not trials:
        raise OverBudget(
            f"{ended} before the current setting was trained; raise `budget.hours`, or shorten the "
            "training. Finished trainings are kept"
        )
    first = best_trial(trials)
    swept = SweepResult(
        spec=spec, seed=seed, trials=tuple(trials), leader=None, decision=None, before=(),
        after=(), rows=(len(stage.ranking), len(stage.deciding)), spent=stage.purse.spent,
        spent_now=stage.fresh, limits=stage.purse.limits, stop_reason=ended,
    )  # fmt: skip
    if first is None or not first.candidate:
        return swept
    before, after = (
        stage.answers_on_deciding_rows(which) for which in (points[0], first.candidate)
    )
    rows = row_digests(stage.rows.digest, stage.deciding)
    decision = decide(
        search.metric,
        [answer.metric_row for answer in before],
        [answer.metric_row for answer in after],
        comparison=memory.record_comparison(rows, json.dumps(first.candidate, sort_keys=True)),
        clusters=subjects(stage.deciding),
        seed=seed,
    )
    return replace(
        swept, leader=first.candidate, decision=decision, before=tuple(before), after=tuple(after),
        spent=stage.purse.spent,
    )  # fmt: skip


def current_setting(spec: FineTune, search: Sweep) -> Setting:
    """The present values of the fields that the space varies."""
    values: Any = with_defaults(spec)
    return {name: values[name.split(".")[0]][name.split(".", 1)[1]] for name in search.space}


def _trials(stage: _Stage, points: Sequence[Setting]) -> tuple[list[Trial], str]:
    """Each setting's value on the ranking rows, as far as the budget goes."""
    better = METRICS.load(stage.search.metric).BETTER
    trials: list[Trial] = []
    longest = 0.0
    for index, setting in enumerate(points):
        remaining = longest * (len(points) - index)
        about = f", about {remaining / 60:.0f} min left" if longest else ""
        try:
            stage.purse.check(Cost(seconds=longest))
            stage.bench.progress(
                f"trial {index + 1} of {len(points)}: {describe_setting(setting)}{about}"
            )
            value, seconds = stage.value(setting)
        except OverBudget as error:
            return trials, str(error)
        longest = max(longest, seconds)
        stage.bench.progress(f"trial {index + 1}", done=index + 1, total=len(points))
        trials.append(Trial(setting, value, better))
    return trials, "every setting was tried"


class _Over:
    """A store over another: what is put lies on top, what is not there is looked up below."""

    def __init__(self, top: Store, below: Store) -> None:
        self.top, self.below = top, below

    def put(self, folder: Path, *, kind: str, meta: Mapping[str, object] | None = None) -> Artefact:
        return self.top.put(folder, kind=kind, meta=meta)

    def get(self, digest: str) -> Artefact:
        try:
            return self.top.get(digest)
        except MissingArtefact:
            return self.below.get(digest)

    def missing(self, digests: Collection[str]) -> set[str]:
        return self.below.missing(self.top.missing(digests))

    def drop(self, digest: str) -> None:
        self.top.drop(digest)


class _Stage:
    """The rows, the budget and the folder of one sweep."""

    def __init__(
        self, spec: FineTune, search: Sweep, inputs: Mapping[str, Artefact], bench: BuildContext
    ) -> None:
        self.spec, self.search, self.bench = spec, search, bench
        hours = spec.budget.hours if spec.budget else None
        self.purse = SearchBudget(Limits(seconds=hours * 3600 if hours else None))
        self.fresh = Cost()
        folder = inputs[spec.dataset].path
        validation = read_split(folder, "validation")
        prompt = bench.specs.get(spec.prompt or "")
        columns = prompt.inputs if isinstance(prompt, Prompt) else ("text",)
        ranking, deciding = split_halves([normalised_question(row, columns) for row in validation])
        if min(len(ranking), len(deciding)) < FEWEST:
            raise DataError(
                f"'{spec.dataset}' has {len(validation)} validation rows; a sweep needs {FEWEST} "
                f"to rank on and {FEWEST} more to decide on. Give `validation` a larger share in "
                "`split.ratios`"
            )
        self.ranking = [validation[index] for index in ranking]
        self.deciding = [validation[index] for index in deciding]
        self.rows = _without_deciding_rows(folder, ranking, bench.scratch / "rows")
        self.inputs = {**inputs, spec.dataset: self.rows}
        self.program = load_program(spec.prompt, inputs, bench.specs)

    def value(self, setting: Setting) -> tuple[float | None, float]:
        """The metric on the ranking rows, None where it diverged, and what it took in seconds.

        Raises OverBudget at the step at which the hours are used up.
        """
        note = self._folder(setting) / "trial.json"
        if not note.exists():
            self._within_hours(setting, note)
        trial_note: TrialNote = read_note(note)
        seconds = float(trial_note["seconds"])
        self.purse = self.purse.after(Cost(calls=1, seconds=seconds))
        deciding = (
            2 * float(trial_note.get("answering", 0.0)) * len(self.deciding) / len(self.ranking)
        )
        self.purse = self.purse.with_reserve(
            Cost(seconds=max(self.purse.reserved.seconds, deciding))
        )
        return trial_note["value"], seconds

    def answers_on_deciding_rows(self, setting: Setting) -> list[EvaluatedRow]:
        """Answers of a trial's weights to the deciding rows."""
        self.purse = self.purse.with_reserve(Cost())
        started = time.monotonic()
        answers = self.answers(setting, self.deciding)
        self.purse = self.purse.after(Cost(seconds=time.monotonic() - started))
        return answers

    def answers(
        self, setting: Setting, rows: Sequence[DatasetRow], say: Progress | None = None
    ) -> list[EvaluatedRow]:
        """Answers of a trial's weights to rows."""
        note = self._folder(setting) / "weights.json"
        digest = json.loads(note.read_text(encoding="utf-8"))["artefact"]
        return answering.answer_rows(
            self.bench.store.get(digest).path,
            rows,
            self.program,
            resolve=lambda wanted: self.bench.store.get(wanted).path,
            say=say or self.bench.progress,
            title=f"answering {len(rows)} rows, {describe_setting(setting)}",
        )

    def _within_hours(self, setting: Setting, note: Path) -> None:
        """A trial that is stopped where the hours end; what it took counts in the next run too."""
        stopped, weights = note.with_name("stopped.json"), note.with_name("weights.json")
        before = [read_note(path)["seconds"] for path in (stopped, weights) if path.exists()]
        started = time.monotonic() - max(before, default=0.0)

        def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
            self.purse.check(Cost(seconds=time.monotonic() - started))
            self.bench.progress(message, done=done, total=total)

        try:
            self.purse.check(Cost(seconds=time.monotonic() - started))
            self._train(setting, note, started, say)
        except OverBudget:
            seconds = time.monotonic() - started
            write_note(stopped, {"seconds": seconds})
            self.purse = self.purse.after(Cost(seconds=seconds))
            raise

    def _train(self, setting: Setting, note: Path, started: float, say: Progress) -> None:
        """Train and answer; a sweep killed between the two only answers."""
        weights = note.with_name("weights.json")
        if not weights.exists():
            bench = replace(self.bench, scratch=note.parent, progress=say)
            try:
                result = finetune.build(with_settings(self.spec, setting), self.inputs, bench)
            except Diverged as error:
                self.bench.progress(f"{describe_setting(setting)} diverged: {error}")
                self._note(note, setting, None, time.monotonic() - started, 0.0)
                return
            seconds = time.monotonic() - started
            write_note(weights, {"artefact": result.artefact.digest, "seconds": seconds})
        answering_from = time.monotonic()
        answers = self.answers(setting, self.ranking, say)
        value = measure(self.search.metric, [answer.metric_row for answer in answers])
        now = time.monotonic()
        self._note(note, setting, value, now - started, now - answering_from)

    def _note(
        self, note: Path, setting: Setting, value: float | None, seconds: float, answering: float
    ) -> None:
        self.fresh += Cost(calls=1, seconds=seconds)
        trial_note: TrialNote = {
            "setting": dict(setting),
            "value": value,
            "seconds": seconds,
            "answering": answering,
        }
        write_note(note, trial_note)

    def _folder(self, setting: Setting) -> Path:
        """One folder for each training: its name is the digest of all that decides the weights."""
        train = with_settings(self.spec, setting).model_dump(
            mode="json", exclude={"sweep", "budget"}
        )
        identity = [
            train,
            {name: artefact.digest for name, artefact in self.inputs.items()},
            self.search.metric,
        ]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        folder = self.bench.scratch / digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def describe_setting(setting: Setting) -> str:
    """A setting in words."""
    return ", ".join(f"{name} {value}" for name, value in setting.items()) or "current prompt"


def _without_deciding_rows(folder: Path, ranking: Sequence[int], out: Path) -> Artefact:
    """The dataset with only the ranking half to watch, and no test rows to look at."""
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in SPLITS}
    tables["validation"] = tables["validation"].take(list(ranking))
    tables["test"] = tables["test"].slice(0, 0)
    for name, table in tables.items():
        pq.write_table(table, out / f"{name}.parquet")
    return Artefact(digest_of(out), "dataset", out, 0)
