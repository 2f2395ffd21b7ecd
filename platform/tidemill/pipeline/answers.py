"""A model's answers to the rows of a dataset, as evaluations make, keep and compare them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tidemill.answer import Answer
from tidemill.errors import ArtefactError, DataError
from tidemill.form import ModelForm
from tidemill.metrics import Scored, measure
from tidemill.progress import Progress, no_progress
from tidemill.rows import DatasetRow

if TYPE_CHECKING:
    from tidemill.prompts import PromptProgram
    from tidemill.runtimes import Ranker, Reply, Runtime

BLOCK = 64


@dataclass(frozen=True)
class EvaluatedRow:
    """One dataset row with its reference, the model's answer, and the cost of that answer."""

    id: str
    reference: Answer
    answer: Answer
    output: str
    """The model's output before parsing."""
    seconds: float
    tokens_in: int
    tokens_out: int
    finish: str
    row: DatasetRow = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    """Probability of each label (classifiers only)."""

    @property
    def metric_row(self) -> Scored:
        """The row as input of metrics."""
        return Scored(self.reference, self.answer, self.seconds, self.tokens_out, self.row)


def answer_rows(
    folder: Path,
    rows: Sequence[DatasetRow],
    program: PromptProgram | None,
    *,
    resolve: Callable[[str], Path],
    say: Progress = no_progress,
    title: str = "answering",
) -> list[EvaluatedRow]:
    """Answers to all rows, in their order; identical conversations are answered once.

    A causal language model needs the prompt's program; an encoder classifies the `text` column, a
    recommender ranks items for the `history`.
    Raises ArtefactError for a TensorRT engine, which needs its GPU.
    """
    form = ModelForm.read(folder)
    if form.form == "engine":
        raise ArtefactError(
            f"{folder}: a TensorRT engine runs only on the GPU it was built for; evaluate the "
            "ONNX Runtime form it was exported with (`of` the Compression with that target)"
        )
    if not rows:
        return []
    from tidemill.runtimes import open_runtime

    runtime = open_runtime(folder, resolve=resolve)
    try:
        return answer_rows_with(runtime, rows, program, say, title)
    finally:
        runtime.close()


def answer_rows_with(
    runtime: Runtime,
    rows: Sequence[DatasetRow],
    program: PromptProgram | None,
    say: Progress = no_progress,
    title: str = "answering",
    *,
    warm: bool = True,
) -> list[EvaluatedRow]:
    """Answers to rows from an open runtime; `warm` runs one unmeasured request first."""
    if runtime.form.task == "ranking":
        from tidemill.pipeline.ranked_answers import answer_histories

        return answer_histories(cast("Ranker", runtime), rows, say, title)
    if runtime.form.task == "sequence-classification":
        return _answer_classifier(runtime, rows, say, title)
    if program is None:
        raise ArtefactError(
            "a causal language model needs a prompt; set `prompt` in the spec or "
            "in the FineTune that `of` names"
        )
    return _answer_generative(runtime, rows, program, say, title, warm)


def served_bytes(folder: Path, *, resolve: Callable[[str], Path]) -> float:
    """Bytes of what serves: the artefact, with its base model where it is an adapter."""
    base = ModelForm.read(folder).base
    return sum(
        measure("size", [], part) for part in (folder, resolve(base) if base else None) if part
    )


def align_baseline(
    candidate: Sequence[EvaluatedRow], baseline: Mapping[str, EvaluatedRow]
) -> list[EvaluatedRow]:
    """The baseline's answers to the candidate's rows, with the candidate's references."""
    return [
        replace(baseline[answer.id], reference=answer.reference, row=answer.row)
        for answer in candidate
    ]


def row_id(row: DatasetRow, index: int) -> str:
    """The row's content id, or its place where the dataset gave none."""
    return str(row.get("id") or f"row-{index}")


def _answer_generative(
    runtime: Runtime,
    rows: Sequence[DatasetRow],
    program: PromptProgram,
    say: Progress,
    title: str,
    warm: bool,
) -> list[EvaluatedRow]:
    conversations = program.conversations(rows)
    keys = [json.dumps(messages, sort_keys=True) for messages in conversations]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    places = sorted(first.values(), key=lambda place: (len(keys[place]), place))
    replies: dict[str, Reply] = {}
    if warm:  # the first answer maps memory: not measured
        runtime.answer(conversations[:1], max_tokens=2)
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        block_conversations = [conversations[index] for index in block]
        block_replies = runtime.answer(block_conversations, max_tokens=program.max_tokens)
        replies |= {keys[index]: reply for index, reply in zip(block, block_replies, strict=True)}
        say(title, done=min(start + BLOCK, len(places)), total=len(places))
    return [
        _one_generated(row, index, program, replies[key])
        for index, (row, key) in enumerate(zip(rows, keys, strict=True))
    ]


def _one_generated(
    row: DatasetRow, index: int, program: PromptProgram, reply: Reply
) -> EvaluatedRow:
    return EvaluatedRow(
        id=row_id(row, index),
        reference=program.reference(row),
        answer=program.parse(reply.text),
        output=reply.text,
        seconds=reply.seconds,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        finish=reply.finish,
        row=row,
    )


def _answer_classifier(
    runtime: Runtime, rows: Sequence[DatasetRow], say: Progress, title: str
) -> list[EvaluatedRow]:
    lacking = {"text", "label"} - rows[0].keys()
    if lacking:
        raise DataError(
            f"a classifier is judged on the columns 'text' and 'label'; the rows have no "
            f"{' and no '.join(sorted(lacking))}. Name them in the Dataset's `map`"
        )
    texts = [str(row["text"]) for row in rows]
    answers: list[EvaluatedRow] = []
    for start in range(0, len(rows), BLOCK):
        batch = runtime.classify(texts[start : start + BLOCK])
        for index, scores in enumerate(batch, start):
            row = rows[index]
            reference = Answer(str(row["label"]), str(row["label"]))
            answer = Answer(scores.label, scores.label)
            label = scores.label
            answers.append(
                EvaluatedRow(
                    row_id(row, index),
                    reference,
                    answer,
                    label,
                    scores.seconds,
                    0,
                    1,
                    "stop",
                    row,
                    dict(scores.all),
                )
            )
        say(title, done=len(answers), total=len(rows))
    return answers
