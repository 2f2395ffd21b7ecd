"""A model's answers to the rows of a dataset, as evaluations make, keep and compare them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.answer import Answer
from tidemill.errors import ArtefactError, DataError
from tidemill.form import Form
from tidemill.metrics import Scored, measure
from tidemill.pipeline.context import Progress, no_progress

if TYPE_CHECKING:
    from tidemill.prompts import Program
    from tidemill.runtimes import Reply, Runtime

FILE = "answers.jsonl"
BLOCK = 64
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """One row with the wanted answer, the given one, and what it cost."""

    id: str
    reference: Answer
    answer: Answer
    output: str
    """What the model wrote, before it was parsed."""
    seconds: float
    tokens_in: int
    tokens_out: int
    finish: str
    row: Row = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    """Probability of each label (classifiers only)."""

    @property
    def scored(self) -> Scored:
        """As metrics take it."""
        return Scored(self.reference, self.answer, self.seconds, self.tokens_out, self.row)


def answer_rows(
    folder: Path,
    rows: Sequence[Row],
    program: Program | None,
    *,
    resolve: Callable[[str], Path],
    say: Progress = no_progress,
    what: str = "answering",
) -> list[Answered]:
    """Answers to all rows, in their order; identical conversations are answered once.

    A causal language model needs the prompt's program; an encoder classifies the `text` column.
    Raises ArtefactError for a TensorRT engine, which needs its GPU.
    """
    form = Form.read(folder)
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
        return answered_by(runtime, rows, program, say, what)
    finally:
        runtime.close()


def answered_by(
    runtime: Runtime,
    rows: Sequence[Row],
    program: Program | None,
    say: Progress = no_progress,
    what: str = "answering",
    *,
    warm: bool = True,
) -> list[Answered]:
    """The same from a runtime that is open already; `warm` asks it once before, unmeasured."""
    if runtime.form.task == "sequence-classification":
        return _classified(runtime, rows, say, what)
    if program is None:
        raise ArtefactError(
            "a causal language model is asked through a prompt; name one in the spec's `prompt` or "
            "in the FineTune behind its `of`"
        )
    return _generated(runtime, rows, program, say, what, warm)


def size_of(folder: Path, *, resolve: Callable[[str], Path]) -> float:
    """Bytes of what serves: the artefact, with its base model where it is an adapter."""
    base = Form.read(folder).base
    return sum(
        measure("size", [], part) for part in (folder, resolve(base) if base else None) if part
    )


def write(folder: Path, answers: Iterable[Answered]) -> None:
    """Keep answers as `answers.jsonl`, one row a line."""
    lines = (
        json.dumps(asdict(a), ensure_ascii=False, sort_keys=True, default=str) for a in answers
    )
    (folder / FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(folder: Path) -> dict[str, Answered]:
    """The answers of a report by row id."""
    with (folder / FILE).open(encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    return {record["id"]: _from_record(record) for record in records}


def against(mine: Sequence[Answered], theirs: Mapping[str, Answered]) -> list[Answered]:
    """Their answers to my rows, judged by my references; `theirs` has to know every row."""
    return [replace(theirs[one.id], reference=one.reference, row=one.row) for one in mine]


def row_id(row: Row, place: int) -> str:
    """The row's content id, or its place where the dataset gave none."""
    return str(row.get("id") or f"row-{place}")


def _from_record(record: dict[str, Any]) -> Answered:
    wanted, given = (Answer(**record[key]) for key in ("reference", "answer"))
    return Answered(**{**record, "reference": wanted, "answer": given})


def _generated(
    runtime: Runtime, rows: Sequence[Row], program: Program, say: Progress, what: str, warm: bool
) -> list[Answered]:
    conversations = program.conversations(rows)
    keys = [json.dumps(messages, sort_keys=True) for messages in conversations]
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    places = sorted(first.values(), key=lambda place: (len(keys[place]), place))
    replies: dict[str, Reply] = {}
    if warm:  # the first answer maps memory: not measured
        runtime.answer(conversations[:1], max_tokens=2)
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        asked = [conversations[place] for place in block]
        found = runtime.answer(asked, max_tokens=program.max_tokens)
        replies |= {keys[place]: reply for place, reply in zip(block, found, strict=True)}
        say(what, done=min(start + BLOCK, len(places)), total=len(places))
    return [
        _one_generated(row, place, program, replies[key])
        for place, (row, key) in enumerate(zip(rows, keys, strict=True))
    ]


def _one_generated(row: Row, place: int, program: Program, reply: Reply) -> Answered:
    return Answered(
        id=row_id(row, place),
        reference=program.reference(row),
        answer=program.parse(reply.text),
        output=reply.text,
        seconds=reply.seconds,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        finish=reply.finish,
        row=row,
    )


def _classified(runtime: Runtime, rows: Sequence[Row], say: Progress, what: str) -> list[Answered]:
    lacking = {"text", "label"} - rows[0].keys()
    if lacking:
        raise DataError(
            f"a classifier is judged on the columns 'text' and 'label'; the rows have no "
            f"{' and no '.join(sorted(lacking))}. Name them in the Dataset's `map`"
        )
    texts = [str(row["text"]) for row in rows]
    answers: list[Answered] = []
    for start in range(0, len(rows), BLOCK):
        found = runtime.classify(texts[start : start + BLOCK])
        for place, scores in enumerate(found, start):
            row = rows[place]
            wanted = Answer(str(row["label"]), str(row["label"]))
            given = Answer(scores.label, scores.label)
            label = scores.label
            answers.append(
                Answered(
                    row_id(row, place),
                    wanted,
                    given,
                    label,
                    scores.seconds,
                    0,
                    1,
                    "stop",
                    row,
                    dict(scores.all),
                )
            )
        say(what, done=len(answers), total=len(rows))
    return answers
