"""Let DSPy's MIPROv2 propose instructions with a reflection model and combine them with examples.

MIPROv2 (Opsahl-Ong et al. 2024) as it is in DSPy; an adapter of ours renders each of its prompts
with our template and answers it with our model, so that what it optimises is what is served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

from tidemill.errors import MissingExtra, OverBudget, ServiceError, TidemillError
from tidemill.metrics import Scored
from tidemill.rows import DatasetRow
from tidemill.search import Candidate, Evaluator, Random, row_score

VERSION = 1
REFLECTS = True
OUTPUT = "tidemill_answer"
"""Marks the one signature that our adapter answers; the proposer's go to the reflection model."""
CANDIDATES = 4
TRIALS = 40
"""Most combinations tried."""
FIRST = "Answer the request."
"""Stands for instructions where the prompt has none: DSPy's signatures always have some."""


def search(evaluator: Evaluator, rng: Random) -> None:
    """Run as many trials as the budget has room for."""
    try:
        import dspy
        import optuna  # noqa: F401 - MIPROv2 draws with it
    except ImportError as error:
        raise MissingExtra(error.name or "dspy", "optimise") from None
    space = evaluator.space
    evaluator.score(space.initial)
    stage = _Stage(dspy, evaluator)
    with _quiet(), stage.lights():
        try:
            _compile(stage, evaluator, rng)
        except Exception as error:
            if stage.ended is None:
                first = str(error).partition("\n")[0]
                raise ServiceError(
                    f"MIPROv2 stopped ({type(error).__name__}: {first}); where the reflection "
                    "model does not keep to the form DSPy asks for, name a larger one, or use gepa"
                ) from error
    if stage.ended is not None and not isinstance(stage.ended, OverBudget):
        raise stage.ended
    for candidate in stage.tried:  # on record, as far as they have been asked every row
        evaluator.score(candidate)


def _compile(stage: _Stage, evaluator: Evaluator, rng: Random) -> None:
    space = evaluator.space
    most = min(space.max_examples, len(space.pool))
    optimiser = stage.dspy.MIPROv2(
        metric=stage.worth,
        prompt_model=stage.model,
        task_model=stage.model,
        auto=None,
        num_candidates=CANDIDATES,
        num_threads=1,
        max_errors=1,
        max_bootstrapped_demos=most,
        max_labeled_demos=most,
        seed=rng.randrange(1, 1 << 30),
        track_stats=False,
    )
    optimiser.compile(
        stage.program(),
        trainset=[stage.example(row) for row in space.pool],
        valset=[stage.example(row) for row in space.ranking_rows],
        num_trials=_trials(evaluator),
        minibatch=False,
        program_aware_proposer=False,
    )


def _trials(evaluator: Evaluator) -> int:
    """Combinations that the rest of the budget has room for, at most `TRIALS`."""
    rounds = evaluator.remaining_rows() // max(1, len(evaluator.space.ranking_rows))
    return min(TRIALS, max(1, rounds - CANDIDATES))


class _Stage:
    """DSPy's view of our prompt: a predictor, an adapter that answers it, a model that proposes."""

    def __init__(self, dspy: Any, evaluator: Evaluator) -> None:
        self.dspy, self.evaluator = dspy, evaluator
        self.tried: dict[Candidate, None] = {}
        self.ended: TidemillError | None = None
        self.answers: dict[str, Scored] = {}
        space = evaluator.space
        self.rows = {self._key(row): row for row in (*space.pool, *space.ranking_rows)}
        self.model = dspy.LM("tidemill/reflection", engine=_engine(self), cache=False)

    def lights(self) -> Any:
        """DSPy's settings for as long as the search runs."""
        adapter = _adapter(self.dspy, self)
        return self.dspy.context(lm=self.model, adapter=adapter, disable_history=True)

    def program(self) -> Any:
        """The module that is optimised."""
        space = self.evaluator.space
        names = ", ".join(space.inputs)
        signature = self.dspy.Signature(f"{names} -> {OUTPUT}", space.initial.system or FIRST)
        return self.dspy.Predict(signature)

    def example(self, row: DatasetRow) -> Any:
        """A row as DSPy takes it."""
        inputs = self._inputs(row)
        row_values = self._example_row(row)
        output = " | ".join(str(row_values[name]) for name in row_values if name not in inputs)
        return self.dspy.Example(**inputs, **{OUTPUT: output}).with_inputs(*inputs)

    def worth(self, example: Any, prediction: Any, trace: Any = None) -> float | bool:  # noqa: ARG002
        """The metric of one row; while examples are gathered, whether the answer is right."""
        scored = self.answers.get(self._key(example))
        score = row_score(self.evaluator, scored) if scored is not None else 0.0
        return score >= 1 if trace is not None else score

    def answer(self, system: str, demos: Sequence[Any], inputs: Mapping[str, object]) -> str:
        """Our model's text for one row."""
        row, start = self.rows[self._key(inputs)], self.evaluator.space.initial
        rows = [self.rows[self._key(demo)] for demo in demos if self._key(demo) in self.rows]
        examples = tuple(self._example_row(example) for example in rows)
        candidate = replace(start, system="" if system == FIRST and not start.system else system)
        if examples:
            candidate = replace(candidate, examples=examples, k=len(examples), selection="fixed")
        self.tried[candidate] = None
        with self.remember_stop():
            scored = self.evaluator.scored_answers(candidate, [row])[0]
        self.answers[self._key(row)] = scored
        return scored.answer.text

    def reflect(self, prompt: str) -> str:
        """The reflection model's answer."""
        with self.remember_stop():
            return self.evaluator.reflect(prompt)

    @contextmanager
    def remember_stop(self) -> Iterator[None]:
        """Remember why we stop: DSPy wraps the errors of what it calls, or counts them."""
        if self.ended is not None:
            raise self.ended
        try:
            yield
        except TidemillError as error:
            self.ended = error
            raise

    def _inputs(self, row: Any) -> dict[str, str]:
        return {name: str(row.get(name, "")) for name in self.evaluator.space.inputs}

    def _key(self, row: Any) -> str:
        return "\n".join(self._inputs(row).values())

    def _example_row(self, row: DatasetRow) -> DatasetRow:
        pool = self.evaluator.space.pool
        names = pool[0].keys() if pool else row.keys()
        return {name: row[name] for name in names if name in row}


def _adapter(dspy: Any, stage: _Stage) -> Any:
    class Ours(dspy.ChatAdapter):  # type: ignore[misc]
        """Our rendering for our signature; DSPy's own for everybody else's."""

        def __call__(
            self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any
        ) -> list[dict[str, object]]:
            if OUTPUT in signature.output_fields:
                return [{OUTPUT: stage.answer(signature.instructions.strip(), demos, inputs)}]
            outputs: list[dict[str, object]] = super().__call__(
                lm, lm_kwargs, signature, demos, inputs
            )
            return outputs

    return Ours()


def _engine(stage: _Stage) -> Any:
    from dspy.lm15 import Message, Response, Usage

    class Engine:
        """DSPy's way to a model of one's own."""

        def complete(self, request: Any) -> Any:
            parts = [request.system or "", *(message.text or "" for message in request.messages)]
            text = stage.reflect("\n\n".join(part for part in parts if part))
            return Response(
                id=None,
                model=request.model,
                message=Message.assistant(text),
                finish_reason="stop",
                usage=Usage(),
            )

        def stream(self, request: Any) -> Any:
            raise NotImplementedError

        def close(self) -> None:
            pass

    return Engine()


@contextmanager
def _quiet() -> Iterator[None]:
    """DSPy and Optuna talk on every stream; what we have to say we say ourselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)
