"""Answers of one version of an evaluation: those that were given before, then the model's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidemill.engine.search_budget import Limits
from tidemill.form import ModelForm
from tidemill.pipeline.answers import EvaluatedRow, answer_rows_with
from tidemill.pipeline.cached_runtime import AnswerMemory, CachedRuntime, SearchAccount
from tidemill.pipeline.evaluated_version import EvaluatedVersion
from tidemill.ports import Artefact
from tidemill.progress import Progress, no_progress
from tidemill.rows import DatasetRow
from tidemill.runtimes import Runtime

_WARM_UP = [[{"role": "user", "content": "hello"}]]


@dataclass
class RuntimePool:
    """The models that are asked, each loaded once and only when a new answer is needed."""

    memory: AnswerMemory
    """Answers of causal models that outlive the process."""
    resolve: Callable[[str], Path]
    """Digest of an artefact → its folder."""
    progress: Progress = no_progress
    account: SearchAccount = field(default_factory=lambda: SearchAccount(Limits()))
    _runtimes: dict[str, Runtime] = field(default_factory=dict)

    def runtime(self, model: Artefact) -> Runtime:
        """The runtime of a model; raises ArtefactError where nothing here can run it."""
        if model.digest not in self._runtimes:
            self._runtimes[model.digest] = self._open(model)
        return self._runtimes[model.digest]

    def close(self) -> None:
        """Free all models."""
        for runtime in self._runtimes.values():
            runtime.close()
        self._runtimes.clear()

    def _open(self, model: Artefact) -> Runtime:
        form = ModelForm.read(model.path)
        if form.task != "causal-lm":
            return self._load(model)
        return CachedRuntime(
            model.digest, form, lambda: self._load(model), self.memory, self.account
        )

    def _load(self, model: Artefact) -> Runtime:
        from tidemill.runtimes import open_runtime

        self.progress("loading the model")
        runtime = open_runtime(model.path, resolve=self.resolve)
        if runtime.form.task == "causal-lm":  # the first answer maps memory: not measured
            runtime.answer(_WARM_UP, max_tokens=2)
        return runtime


@dataclass
class VersionAnswers:
    """Answers the rows of one version; what was answered before is not asked again."""

    version: EvaluatedVersion
    recorded: Mapping[str, EvaluatedRow]
    """Earlier answers by row id."""
    pool: RuntimePool
    answers: list[EvaluatedRow] = field(default_factory=list)
    """Answers so far, in the order of the rows."""
    new_answers: int = 0
    """Answers that the model gave so far; identical conversations count once."""

    def answer(self, rows: Sequence[DatasetRow]) -> None:
        """Add an answer to each row."""
        by_id = {str(row["id"]): row for row in rows}
        answers = {
            key: replace(self.recorded[key], row=row)
            for key, row in by_id.items()
            if key in self.recorded
        }
        missing = [row for key, row in by_id.items() if key not in answers]
        if missing:
            answers |= {answer.id: answer for answer in self._ask(missing)}
        self.answers += [answers[key] for key in by_id]

    def _ask(self, rows: Sequence[DatasetRow]) -> list[EvaluatedRow]:
        before = self.pool.account.spent_now.calls
        runtime = self.pool.runtime(self.version.model)
        answers = answer_rows_with(runtime, rows, self.version.program, warm=False)
        is_cached = isinstance(runtime, CachedRuntime)
        calls = self.pool.account.spent_now.calls - before
        self.new_answers += calls if is_cached else len(rows)
        return answers
