"""Where a search tries its prompts: the local model, the budget, and a record of every trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidemill.catalog import METRICS
from tidemill.engine.search import Trial
from tidemill.engine.search_budget import NOTHING, Cost
from tidemill.errors import AnswerLost, PromptTooLong, ServiceError, TidemillError
from tidemill.metrics import Scored, measure
from tidemill.pipeline.answers import Answered, answered_by
from tidemill.pipeline.cached_runtime import Account, Remembered, most_of
from tidemill.pipeline.context import Progress, no_progress
from tidemill.prompts import Program
from tidemill.search import Candidate, Ground, Row

ANSWER = 2048
"""Longest answer asked of a reflection model, in tokens."""


LOST = 3
"""Times that a question is sent whose answers get lost."""

MOST = 10_000
"""Rows a search may ask where nothing limits it."""


class Reflection(Protocol):
    """A model that reads what went wrong and writes better instructions."""

    name: str
    price: tuple[float, float] | None
    """Per token read and per token written; None where nobody said."""

    def say(self, prompt: str, *, max_tokens: int) -> tuple[str, int, int]:
        """Its answer, tokens read, tokens written; raises ServiceError, AnswerLost where there is
        none and it may have to be paid all the same."""


@dataclass
class LocalArena:
    """A `tidemill.search.Arena` over a runtime that remembers."""

    ground: Ground
    runtime: Remembered
    program: Callable[[Candidate], Program]
    """Puts a candidate together as it would be made."""
    account: Account
    deciding: int
    """Rows that decide; both prompts are asked them at the end."""
    reflection: Reflection | None = None
    say: Progress = no_progress
    trials: dict[Candidate, Trial] = field(default_factory=dict)
    _programs: dict[Candidate, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reserve()

    def score(self, candidate: Candidate) -> float | None:
        """Its value on the ranking rows; None where the model cannot take it."""
        if candidate not in self.trials:
            found = self._scored(candidate)
            better = METRICS.load(self.ground.metric).BETTER
            self.trials[candidate] = Trial(candidate, found, better)
            self._tell(found)
        return self.trials[candidate].value

    def answers(self, candidate: Candidate, rows: Sequence[Row]) -> list[Scored]:
        """What the model answers under a candidate."""
        return [one.scored for one in self.ask(candidate, rows)]

    def left(self) -> int:
        """How many more rows may be asked."""
        purse, most = self.account.purse, max(1, self.runtime.largest.tokens)
        calls, tokens = purse.limits.calls, purse.limits.tokens
        free = [calls - purse.spent.calls - purse.kept.calls] if calls is not None else []
        if tokens is not None:
            free.append((tokens - purse.spent.tokens - purse.kept.tokens) // most)
        return max(0, min(free, default=MOST))

    def reflect(self, prompt: str) -> str:
        """What the reflection model says; the same question is asked, and paid, once."""
        if self.reflection is None:
            raise ServiceError(
                "this search needs a reflection model; set TIDEMILL_REFLECTION_MODEL and "
                "TIDEMILL_REFLECTION_URL, and its key in TIDEMILL_REFLECTION_KEY"
            )
        model = self.reflection
        key = hashlib.sha256(json.dumps([model.name, prompt]).encode()).hexdigest()
        most = most_of([{"content": prompt}], ANSWER)
        dearest = self._priced(most.tokens - ANSWER, ANSWER)
        if key not in self.account.charged:
            self.account.purse.ask(dearest)
        known = self.runtime.memory.known([key]).get(key)
        if known is None:
            text, read, written = self._answer(model, prompt, dearest)
            reply: dict[str, Any] = {"text": text, "tokens_in": read, "tokens_out": written}
            self.runtime.memory.keep({key: reply})
        else:
            reply = dict(known)
        if key not in self.account.charged:
            cost = self._priced(int(reply["tokens_in"]), int(reply["tokens_out"]))
            self.account.pay(key, cost, fresh=known is None)
        return str(reply["text"])

    def _answer(self, model: Reflection, prompt: str, dearest: Cost) -> tuple[str, int, int]:
        """An answer; a lost one is paid at the most it can have cost before it is asked again."""
        for _ in range(LOST):
            try:
                return model.say(prompt, max_tokens=ANSWER)
            except AnswerLost as error:
                lost = error
                paid = f"lost {len(self.account.charged)}"
                self.account.pay(paid, dearest, fresh=True)
                self.account.purse.ask(dearest)
        raise lost

    def ask(self, candidate: Candidate, rows: Sequence[Row]) -> list[Answered]:
        """The same with everything an answer carries."""
        if candidate not in self._programs:
            self._programs[candidate] = self.program(candidate)
        return answered_by(self.runtime, rows, self._programs[candidate], warm=False)

    def reserve(self) -> None:
        """Keep enough back for the decision, by the largest conversation there was so far."""
        calls = 2 * self.deciding
        tokens = calls * self.runtime.largest.tokens
        self.account.purse = self.account.purse.keep(Cost(calls=calls, tokens=tokens))

    def release(self) -> None:
        """Give the decision what was kept back."""
        self.account.purse = self.account.purse.keep(NOTHING)

    def _scored(self, candidate: Candidate) -> float | None:
        try:
            answers = self.answers(candidate, self.ground.dev)
        except PromptTooLong as error:
            self.say(f"a candidate is too long for the model: {error}")
            return None
        finally:
            self.reserve()
        return measure(self.ground.metric, answers)

    def _priced(self, read: int, written: int) -> Cost:
        price = self.reflection.price if self.reflection else None
        if price is None and self.account.limits.money is not None:
            raise TidemillError(
                "`optimise.money` limits what the reflection model may cost, and its price is not "
                "known; set TIDEMILL_REFLECTION_PRICE, e.g. 0.15/0.60 per million tokens read and "
                "written"
            )
        per_read, per_written = price or (0.0, 0.0)
        money = read * per_read + written * per_written
        return Cost(calls=1, tokens=read + written, money=money)

    def _tell(self, value: float | None) -> None:
        spent, limit = self.account.purse.spent.calls, self.account.limits.calls
        shown = "too long" if value is None else f"{value:.3f}"
        self.say(f"candidate {len(self.trials)}: {shown}", done=spent, total=limit)


def digest_of_rows(model: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Names a set of deciding rows for one model."""
    text = json.dumps([model, [dict(row) for row in rows]], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
