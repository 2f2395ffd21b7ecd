"""Gathers what trivial baselines are made from: the rows, the encoder and the base of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tidemill.answer import Answer
from tidemill.data import read_split
from tidemill.data.catalogue import FILE, Catalogue
from tidemill.form import ModelForm
from tidemill.pipeline import answers as answering
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline_features import FrozenEncoder
from tidemill.pipeline.baseline_task import BaselineTask, LabelledExample
from tidemill.pipeline.context import BuildContext
from tidemill.pipeline.prompt_loading import load_program
from tidemill.pipeline.sampling import sample_rows
from tidemill.ports import Artefact
from tidemill.rows import DatasetRow
from tidemill.spec.base import Spec
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.finetune import FineTune
from tidemill.spec.model import Model
from tidemill.spec.neighbours import prompt_name

MOST_ROWS = 5000
"""Training rows that baselines learn from: a fixed sample where there are more."""


def baseline_task(
    spec: Evaluation,
    answers: Sequence[EvaluatedRow],
    inputs: Mapping[str, Artefact],
    context: BuildContext,
) -> BaselineTask:
    """The task of an evaluation whose model gave `answers`; without training rows where the
    artefacts of `inputs` hold none."""
    line = list(_ancestry(context.specs, spec.of))
    dataset = next((s.dataset for s in line if isinstance(s, FineTune)), spec.dataset)
    name = prompt_name(spec, context.specs)
    program = load_program(name, inputs, context.specs)
    folder = inputs[dataset].path if dataset in inputs else None
    items = _items(folder)
    train, validation = (
        _examples(folder, part, program, spec.seed, ranks=bool(items))
        for part in ("train", "validation")
    )
    test = [LabelledExample(_question(a.row, program), a.reference, a.row) for a in answers]
    base = next((s.name for s in line if isinstance(s, Model) and s.task == "causal-lm"), None)
    can_ask = spec.trivial_baselines.few_shot and program is not None and base in inputs
    return BaselineTask(
        train, validation, test,
        is_free_text=program is not None and program.output.type == "text"
        and not any(example.answer.label for example in test),
        items=items,
        encoder=_frozen_encoder(line, inputs, context.specs),
        model_is_head=any(_is_head(inputs, s.name) for s in line),
        few_shot=spec.trivial_baselines.few_shot,
        ask_base=partial(_ask_base, spec, inputs[str(base)].path, program, test, context)
        if can_ask else None,
    )  # fmt: skip


def _ancestry(specs: Mapping[str, Spec], name: str) -> Iterator[Spec]:
    """A spec that gives weights, then what it is made of, down to the base."""
    names: set[str] = set()
    while name in specs and name not in names:
        names.add(name)
        yield specs[name]
        name = getattr(specs[name], "of", None) or getattr(specs[name], "base", None) or ""


def _items(folder: Path | None) -> tuple[str, ...]:
    """The ids of a ranking dataset's catalogue; none for other datasets."""
    if folder is None or not (folder / FILE).exists():
        return ()
    return Catalogue.read(folder / FILE).ids


def _examples(
    folder: Path | None, split: str, program: Any, seed: int, *, ranks: bool = False
) -> tuple[LabelledExample, ...]:
    """The rows of a split that have a question and an answer, and a weight above 0."""
    if folder is None or not (folder / f"{split}.parquet").exists():
        return ()
    from tidemill.prompts import output_parsing

    labelled = ("label",) if ranks else ("text", "label")
    columns = output_parsing.output_columns(program.output) if program else labelled
    rows = [row for row in read_split(folder, split) if all(row.get(name) for name in columns)]
    weighted = [row for row in rows if _weight(row) > 0]
    return tuple(
        LabelledExample(_question(row, program), _reference(row, program), row, _weight(row))
        for row in (weighted if ranks else sample_rows(weighted, MOST_ROWS, seed))
    )


def _weight(row: DatasetRow) -> float:
    weight = row.get("weight")
    return 1.0 if weight is None else float(weight)


def _question(row: DatasetRow, program: Any) -> str:
    if program is None:
        return str(row.get("text", ""))
    from tidemill.prompts import example_selection

    return example_selection.question_text(program, row)


def _reference(row: DatasetRow, program: Any) -> Answer:
    if program is not None:
        reference: Answer = program.reference(row)
        return reference
    return Answer(str(row["label"]), str(row["label"]))


def _frozen_encoder(
    line: Sequence[Spec], inputs: Mapping[str, Artefact], specs: Mapping[str, Spec]
) -> FrozenEncoder | None:
    """The base of the model where that is an encoder, else another one that it is built from."""
    names = [*(spec.name for spec in line), *sorted(inputs)]
    encoders = (n for n in names if n in inputs and _is_encoder(specs.get(n)))
    name = next(encoders, None)
    return FrozenEncoder(name, inputs[name].path) if name else None


def _is_encoder(spec: Spec | None) -> bool:
    return isinstance(spec, Model) and spec.task == "sequence-classification"


def _is_head(inputs: Mapping[str, Artefact], name: str) -> bool:
    return name in inputs and ModelForm.read(inputs[name].path).pooling is not None


def _ask_base(
    spec: Evaluation,
    folder: Path,
    program: Any,
    test: Sequence[LabelledExample],
    context: BuildContext,
    examples: Sequence[DatasetRow],
) -> list[Answer]:
    shown = replace(
        program, technique="few-shot", examples=tuple(examples), k=len(examples),
        selection="fixed", embeddings=None, reasoning=None,
    )  # fmt: skip
    rows = answering.answer_rows(
        folder,
        [example.row for example in test],
        shown,
        resolve=lambda digest: context.store.get(digest).path,
        say=context.progress,
        title=f"{spec.name}: asking the base model with few-shot examples",
    )
    return [row.answer for row in rows]
