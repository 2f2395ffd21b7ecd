"""Let a reflection model rewrite the instructions after reading what went wrong and users' words.

GEPA (Agrawal et al. 2025, "Reflective prompt evolution can outperform reinforcement learning") by
its own package; prompts are rendered by our templates, answered by our model, paid from our purse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidemill.errors import MissingExtra, OverBudget, TidemillError
from tidemill.metrics import Scored
from tidemill.search import Arena, Candidate, Random, Remark, Row, value

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


def search(arena: Arena, rng: Random) -> None:
    """Evolve the instructions until the budget is used up."""
    try:
        from gepa import optimize
    except ImportError:
        raise MissingExtra("gepa", "optimise") from None
    start = arena.ground.start
    arena.score(start)
    adapter = _Adapter(arena, rng)
    try:
        optimize(
            seed_candidate={PART: start.system or FIRST},
            trainset=list(arena.ground.pool),
            valset=list(arena.ground.dev),
            adapter=adapter,
            reflection_lm=adapter.reflect,
            reflection_minibatch_size=min(MINIBATCH, len(arena.ground.pool)),
            max_metric_calls=max(1, arena.left()),
            stop_callbacks=adapter.done,
            logger=_Quiet(),
            seed=rng.randrange(1 << 30),
            raise_on_exception=True,
        )
    except OverBudget as error:
        adapter.ended = error
    if adapter.ended is not None and not isinstance(adapter.ended, OverBudget):
        raise adapter.ended
    for candidate in adapter.tried:  # on record, as far as they have been asked every row
        arena.score(candidate)


class _Quiet:
    def log(self, message: str) -> None:
        """GEPA's own log says nothing that ours does not."""


class _Adapter:
    """What GEPA needs of a system: answers with their worth, and words on what went wrong."""

    propose_new_texts = None

    def __init__(self, arena: Arena, rng: Random) -> None:
        self.arena, self.rng = arena, rng
        self.tried: dict[Candidate, None] = {}
        self.turns = 0
        self.ended: TidemillError | None = None
        self.said: dict[str, list[Remark]] = defaultdict(list)
        for remark in arena.ground.remarks:
            self.said[_question(remark.asked, arena.ground.inputs)].append(remark)

    def evaluate(
        self, batch: list[Row], candidate: dict[str, str], capture_traces: bool = False
    ) -> Any:
        """Answers to a batch, each with its worth."""
        from gepa import EvaluationBatch

        asked = replace(self.arena.ground.start, system=candidate[PART].strip())
        self.tried[asked] = None
        answers = self.arena.answers(asked, batch)
        scores = [value(self.arena, one) for one in answers]
        traces = list(zip(batch, answers, scores, strict=True)) if capture_traces else None
        return EvaluationBatch(outputs=answers, scores=scores, trajectories=traces)

    def done(self, state: Any) -> bool:  # noqa: ARG002 - GEPA's signature
        """Whether it reflected often enough; asking again costs nothing, so no budget ends it."""
        self.turns += 1
        return self.turns > TURNS or self.ended is not None

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],  # noqa: ARG002 - GEPA's signature
        eval_batch: Any,
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """One record for each row of the batch, and a few remarks of users beside them."""
        records = [self._record(*trace) for trace in eval_batch.trajectories]
        remarks = self.arena.ground.remarks
        for remark in self.rng.sample(remarks, min(SAID, len(remarks))):
            records.append(
                {
                    "Inputs": dict(remark.asked),
                    "Generated Outputs": remark.answer,
                    "Feedback": _words(remark),
                }
            )
        return dict.fromkeys(components_to_update, records)

    def reflect(self, prompt: Any) -> str:
        """The reflection model's answer; GEPA takes the text between the last fences."""
        text = prompt if isinstance(prompt, str) else "\n\n".join(m["content"] for m in prompt)
        if self.ended is not None:
            raise self.ended  # GEPA asks once more
        try:
            return self.arena.reflect(text)
        except TidemillError as error:
            self.ended = error  # GEPA goes on without a reflection that failed
            raise

    def _record(self, row: Row, scored: Scored, worth: float) -> dict[str, Any]:
        inputs = self.arena.ground.inputs
        wanted = _text(scored.reference.label, scored.reference.text)
        feedback = [f"Wanted: {wanted}", f"{self.arena.ground.metric}: {worth:.3f}"]
        if not scored.answer.valid:
            feedback.append("The answer does not have the form that was asked for.")
        feedback += [_words(remark) for remark in self.said[_question(row, inputs)]]
        return {
            "Inputs": {name: str(row.get(name, "")) for name in inputs},
            "Generated Outputs": _text(scored.answer.label, scored.answer.text),
            "Feedback": "\n".join(feedback),
        }


def _words(remark: Remark) -> str:
    wanted = f"A user corrected it to: {remark.wanted}" if remark.wanted else ""
    said = f"A user said: {remark.comment}" if remark.comment else ""
    return "\n".join(part for part in (said, wanted) if part)


def _question(row: Mapping[str, Any], inputs: Sequence[str]) -> str:
    return "\n".join(str(row.get(name, "")) for name in inputs)


def _text(label: str | None, text: str) -> str:
    return text if label is None or label == text else f"{label} | {text}"
