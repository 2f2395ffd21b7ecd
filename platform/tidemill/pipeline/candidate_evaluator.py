"""Evaluates prompt candidates with the local model, within a budget; records every trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tidemill.catalog import METRICS
from tidemill.engine.search import Trial
from tidemill.engine.search_budget import NO_COST, Cost
from tidemill.errors import AnswerLost, PromptTooLong, ServiceError, TidemillError
from tidemill.metrics import Scored, measure
from tidemill.pipeline.answers import EvaluatedRow, answer_rows_with
from tidemill.pipeline.cached_runtime import CachedRuntime, SearchAccount, StoredAnswer, max_cost
from tidemill.progress import Progress, no_progress
from tidemill.prompts import PromptProgram
from tidemill.rows import DatasetRow
from tidemill.search import Candidate, SearchSpace

MAX_REFLECTION_TOKENS = 2048
"""Longest answer asked of a reflection model, in tokens."""


MAX_LOST_ANSWERS = 3
"""Times that a question is sent whose answers get lost."""

MAX_PROMPT = 10_000
"""Rows a search may ask where nothing limits it."""


class ReflectionModel(Protocol):
    """A model that reads what went wrong and writes better instructions."""

    name: str
    price: tuple[float, float] | None
    """Per token read and per token written; None where nobody said."""

    def complete(self, prompt: str, *, max_tokens: int) -> tuple[str, int, int]:
        """Its answer, tokens read, tokens written; raises ServiceError, AnswerLost where there is
        none and it may have to be paid all the same."""


@dataclass
class CandidateEvaluator:
    """A `tidemill.search.Arena` over a runtime that remembers."""

    space: SearchSpace
    runtime: CachedRuntime
    program: Callable[[Candidate], PromptProgram]
    """Puts a candidate together as it would be made."""
    budget: SearchAccount
    deciding_rows: int
    """Rows that decide; both prompts are asked them at the end."""
    reflection: ReflectionModel | None = None
    progress: Progress = no_progress
    trials: dict[Candidate, Trial] = field(default_factory=dict)
    _programs: dict[Candidate, PromptProgram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reserve_budget()

    def score(self, candidate: Candidate) -> float | None:
        """A candidate's metric on the ranking rows; None where the prompt is too long."""
        if candidate not in self.trials:
            value = self._score(candidate)
            better = METRICS.load(self.space.metric).BETTER
            self.trials[candidate] = Trial(candidate, value, better)
            self._report(value)
        return self.trials[candidate].value

    def scored_answers(self, candidate: Candidate, rows: Sequence[DatasetRow]) -> list[Scored]:
        """Scored answers of the model with a candidate prompt."""
        return [row.metric_row for row in self.answer_rows(candidate, rows)]

    def remaining_rows(self) -> int:
        """Number of rows that the budget still allows."""
        purse, most = self.budget.budget, max(1, self.runtime.largest.tokens)
        calls, tokens = purse.limits.calls, purse.limits.tokens
        free = [calls - purse.spent.calls - purse.reserved.calls] if calls is not None else []
        if tokens is not None:
            free.append((tokens - purse.spent.tokens - purse.reserved.tokens) // most)
        return max(0, min(free, default=MAX_PROMPT))

    def reflect(self, prompt: str) -> str:
        """The reflection model's answer; a repeated question is paid once."""
        if self.reflection is None:
            raise ServiceError(
                "this search needs a reflection model; set TIDEMILL_REFLECTION_MODEL and "
                "TIDEMILL_REFLECTION_URL, and its key in TIDEMILL_REFLECTION_KEY"
            )
        model = self.reflection
        key = hashlib.sha256(json.dumps([model.name, prompt]).encode()).hexdigest()
        most = max_cost([{"content": prompt}], MAX_REFLECTION_TOKENS)
        dearest = self._price(most.tokens - MAX_REFLECTION_TOKENS, MAX_REFLECTION_TOKENS)
        if key not in self.budget.charged:
            self.budget.budget.check(dearest)
        cached = self.runtime.memory.get_many([key]).get(key)
        if cached is None:
            text, read, written = self._answer(model, prompt, dearest)
            reply: StoredAnswer = {"text": text, "tokens_in": read, "tokens_out": written}
            self.runtime.memory.put_many({key: reply})
        else:
            reply = cached
        if key not in self.budget.charged:
            cost = self._price(int(reply["tokens_in"]), int(reply["tokens_out"]))
            self.budget.pay(key, cost, fresh=cached is None)
        return str(reply["text"])

    def _answer(self, model: ReflectionModel, prompt: str, dearest: Cost) -> tuple[str, int, int]:
        """An answer; a lost one is paid at the most it can have cost before it is asked again."""
        for _ in range(MAX_LOST_ANSWERS):
            try:
                return model.complete(prompt, max_tokens=MAX_REFLECTION_TOKENS)
            except AnswerLost as error:
                lost = error
                paid = f"lost {len(self.budget.charged)}"
                self.budget.pay(paid, dearest, fresh=True)
                self.budget.budget.check(dearest)
        raise lost

    def answer_rows(self, candidate: Candidate, rows: Sequence[DatasetRow]) -> list[EvaluatedRow]:
        """Answers of the model with a candidate prompt, one `EvaluatedRow` for each row."""
        if candidate not in self._programs:
            self._programs[candidate] = self.program(candidate)
        return answer_rows_with(self.runtime, rows, self._programs[candidate], warm=False)

    def reserve_budget(self) -> None:
        """Keep enough back for the decision, by the largest conversation there was so far."""
        calls = 2 * self.deciding_rows
        tokens = calls * self.runtime.largest.tokens
        self.budget.budget = self.budget.budget.with_reserve(Cost(calls=calls, tokens=tokens))

    def free_reserve(self) -> None:
        """Give the decision what was kept back."""
        self.budget.budget = self.budget.budget.with_reserve(NO_COST)

    def _score(self, candidate: Candidate) -> float | None:
        try:
            answers = self.scored_answers(candidate, self.space.ranking_rows)
        except PromptTooLong as error:
            self.progress(f"a candidate is too long for the model: {error}")
            return None
        finally:
            self.reserve_budget()
        return measure(self.space.metric, answers)

    def _price(self, read: int, written: int) -> Cost:
        price = self.reflection.price if self.reflection else None
        if price is None and self.budget.limits.money is not None:
            raise TidemillError(
                "`optimise.money` limits what the reflection model may cost, and its price is not "
                "known; set TIDEMILL_REFLECTION_PRICE, e.g. 0.15/0.60 per million tokens read and "
                "written"
            )
        per_read, per_written = price or (0.0, 0.0)
        money = read * per_read + written * per_written
        return Cost(calls=1, tokens=read + written, money=money)

    def _report(self, value: float | None) -> None:
        spent, limit = self.budget.budget.spent.calls, self.budget.limits.calls
        value_text = "too long" if value is None else f"{value:.3f}"
        self.progress(f"candidate {len(self.trials)}: {value_text}", done=spent, total=limit)


def row_digests(model: str, rows: Sequence[DatasetRow]) -> list[str]:
    """Names each deciding row for one model; a row's weight is no part of it."""
    contents = ({name: row[name] for name in row if name != "weight"} for row in rows)
    texts = (json.dumps([model, content], sort_keys=True, default=str) for content in contents)
    return [hashlib.sha256(text.encode()).hexdigest()[:24] for text in texts]
