"""Let a reflection model rewrite the instructions after reading what went wrong and users' words.

GEPA (Agrawal et al. 2025, "Reflective prompt evolution can outperform reinforcement learning") by
its own package; prompts are rendered by our templates, answered by our model, paid from our purse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from tidemill.errors import MissingExtra, OverBudget, TidemillError
from tidemill.metrics import Scored
from tidemill.rows import DatasetRow
from tidemill.search import Candidate, Evaluator, Random, UserComment, row_score

VERSION = 1
REFLECTS = True
PART = "instructions"
MINIBATCH = 4
TURNS = 40
"""Most reflections of one search."""
SAID = 3
"""Remarks of users that each reflection reads beside those on its own rows."""
FIRST = "Answer the request."
"""Stands for instructions where the prompt has none, because GEPA rewrites a text that is there."""

ReflectiveRecord = TypedDict(
    "ReflectiveRecord", {"Inputs": dict[str, object], "Generated Outputs": str, "Feedback": str}
)
"""One example as GEPA shows it to the reflection model."""


def search(evaluator: Evaluator, rng: Random) -> None:
    """Evolve the instructions until the budget is used up."""
    try:
        from gepa import optimize
    except ImportError:
        raise MissingExtra("gepa", "optimise") from None
    start = evaluator.space.initial
    evaluator.score(start)
    adapter = _Adapter(evaluator, rng)
    try:
        optimize(
            seed_candidate={PART: start.system or FIRST},
            trainset=list(evaluator.space.pool),
            valset=list(evaluator.space.ranking_rows),
            adapter=adapter,
            reflection_lm=adapter.reflect,
            reflection_minibatch_size=min(MINIBATCH, len(evaluator.space.pool)),
            max_metric_calls=max(1, evaluator.remaining_rows()),
            stop_callbacks=adapter.is_finished,
            logger=_Quiet(),
            seed=rng.randrange(1 << 30),
            raise_on_exception=True,
        )
    except OverBudget as error:
        adapter.ended = error
    if adapter.ended is not None and not isinstance(adapter.ended, OverBudget):
        raise adapter.ended
    for candidate in adapter.tried:  # on record, as far as they have been asked every row
        evaluator.score(candidate)


class _Quiet:
    def log(self, message: str) -> None:
        """GEPA's own log says nothing that ours does not."""


class _Adapter:
    """GEPA's adapter: scores answers, and describes in words what was wrong with them."""

    propose_new_texts = None

    def __init__(self, evaluator: Evaluator, rng: Random) -> None:
        self.evaluator, self.rng = evaluator, rng
        self.tried: dict[Candidate, None] = {}
        self.turns = 0
        self.ended: TidemillError | None = None
        self.said: dict[str, list[UserComment]] = defaultdict(list)
        for comment in evaluator.space.comments:
            self.said[_question(comment.inputs, evaluator.space.inputs)].append(comment)

    def evaluate(
        self, batch: list[DatasetRow], candidate: dict[str, str], capture_traces: bool = False
    ) -> Any:
        """Answers to a batch, each with its worth."""
        from gepa import EvaluationBatch

        prompt = replace(self.evaluator.space.initial, system=candidate[PART].strip())
        self.tried[prompt] = None
        answers = self.evaluator.scored_answers(prompt, batch)
        scores = [row_score(self.evaluator, answer) for answer in answers]
        traces = list(zip(batch, answers, scores, strict=True)) if capture_traces else None
        return EvaluationBatch(outputs=answers, scores=scores, trajectories=traces)

    def is_finished(self, state: Any) -> bool:  # noqa: ARG002 - GEPA's signature
        """Whether it reflected often enough; asking again costs nothing, so no budget ends it."""
        self.turns += 1
        return self.turns > TURNS or self.ended is not None

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002 - GEPA's signature
        eval_batch: Any,
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[ReflectiveRecord]]:
        """One record for each row of the batch, and a few comments of users beside them."""
        records = [self._record(*trace) for trace in eval_batch.trajectories]
        comments = self.evaluator.space.comments
        for comment in self.rng.sample(comments, min(SAID, len(comments))):
            records.append(
                {
                    "Inputs": dict(comment.inputs),
                    "Generated Outputs": comment.answer,
                    "Feedback": _words(comment),
                }
            )
        return dict.fromkeys(components_to_update, records)

    def reflect(self, prompt: Any) -> str:
        """The reflection model's answer; GEPA takes the text between the last fences."""
        text = prompt if isinstance(prompt, str) else "\n\n".join(m["content"] for m in prompt)
        if self.ended is not None:
            raise self.ended  # GEPA asks once more
        try:
            return self.evaluator.reflect(text)
        except TidemillError as error:
            self.ended = error  # GEPA goes on without a reflection that failed
            raise

    def _record(self, row: DatasetRow, scored: Scored, worth: float) -> ReflectiveRecord:
        inputs = self.evaluator.space.inputs
        expected = _text(scored.reference.label, scored.reference.text)
        feedback = [f"Wanted: {expected}", f"{self.evaluator.space.metric}: {worth:.3f}"]
        if not scored.answer.valid:
            feedback.append("The answer does not have the form that was asked for.")
        feedback += [_words(comment) for comment in self.said[_question(row, inputs)]]
        return {
            "Inputs": {name: str(row.get(name, "")) for name in inputs},
            "Generated Outputs": _text(scored.answer.label, scored.answer.text),
            "Feedback": "\n".join(feedback),
        }


def _words(comment: UserComment) -> str:
    correction = f"A user corrected it to: {comment.correction}" if comment.correction else ""
    words = f"A user said: {comment.comment}" if comment.comment else ""
    return "\n".join(part for part in (words, correction) if part)


def _question(row: DatasetRow, inputs: Sequence[str]) -> str:
    return "\n".join(str(row.get(name, "")) for name in inputs)


def _text(label: str | None, text: str) -> str:
    return text if label is None or label == text else f"{label} | {text}"
