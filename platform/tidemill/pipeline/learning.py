"""Converts rows of a dataset to training examples; counts the rows that were dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill import chat
from tidemill.errors import DataError
from tidemill.rows import DatasetRow
from tidemill.spec.finetune import FineTune
from tidemill.training.examples import Example, truncate_example


@dataclass(frozen=True)
class TrainingExamples:
    """Training and validation examples of one run."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    seed: int
    labels: tuple[str, ...] = ()
    """Classes in the order of the outputs (classifiers only)."""
    truncated: int = 0
    """Training rows whose prompt lost its beginning."""
    dropped_too_long: int = 0
    """Training rows left out because the answer alone is longer than `max_length`."""
    unscored: int = 0
    """Validation rows left out because no training row has their label."""


def causal_rows(
    spec: FineTune,
    train: Sequence[DatasetRow],
    validation: Sequence[DatasetRow],
    program: Any,
    tokenizer: Any,
) -> TrainingExamples:
    """Prompt and wanted text of each row as tokens; raises DataError where nothing is left."""
    if program is None:
        raise DataError(
            f"'{spec.name}' has no prompt: a causal language model learns to write the answer to a "
            "prompt; name a Prompt in `prompt`"
        )
    _some(spec, train)
    tokenized = _tokens(train, program, tokenizer, spec.train.max_length)
    examples = [example for example in tokenized if example]
    if not examples:
        raise DataError(
            f"'{spec.name}': every answer is longer than train.max_length "
            f"({spec.train.max_length} tokens); raise it"
        )
    held_out = _tokens(validation, program, tokenizer, spec.train.max_length)
    return TrainingExamples(
        tuple(examples),
        tuple(example for example in held_out if example),
        seed=spec.train.seed,
        truncated=sum(example.truncated for example in examples),
        dropped_too_long=len(tokenized) - len(examples),
    )


def labelled_rows(
    spec: FineTune,
    train: Sequence[DatasetRow],
    validation: Sequence[DatasetRow],
    tokenizer: Any,
    base_labels: Sequence[str],
) -> TrainingExamples:
    """Text and label of each row as tokens and class; `base_labels` are those the base has.

    A validation row whose label no training row has cannot be scored: users bring new labels one
    row at a time. It is left out and counted; raises DataError where no validation row is left.
    """
    if spec.prompt:
        raise DataError(
            f"'{spec.name}': an encoder reads the `text` column as it is; leave `prompt` out"
        )
    _some(spec, train)
    _columns(spec, [*train, *validation])
    row_labels = {str(row["label"]) for row in train}
    labels = tuple(base_labels) if row_labels <= set(base_labels) else tuple(sorted(row_labels))
    scored = [row for row in validation if str(row["label"]) in labels]
    if validation and not scored:
        unseen = sorted({str(row["label"]) for row in validation})
        raise DataError(
            f"'{spec.name}': validation rows have labels that no training row has: "
            f"{', '.join(unseen)}; split the dataset by `stratified` with `key: label`"
        )
    if len(labels) < 2:
        raise DataError(f"'{spec.name}': all rows have the label '{labels[0]}'; two are needed")
    classes = {label: index for index, label in enumerate(labels)}
    examples = _texts(train, tokenizer, classes, spec.train.max_length)
    if not any(example.weight for example in examples):
        raise DataError(
            f"'{spec.name}': every training row of '{spec.dataset}' has weight 0; give some rows a "
            "`weight` above 0, or leave the column out"
        )
    return TrainingExamples(
        examples,
        _texts(scored, tokenizer, classes, spec.train.max_length),
        seed=spec.train.seed,
        labels=labels,
        truncated=sum(example.truncated for example in examples),
        unscored=len(validation) - len(scored),
    )


def _some(spec: FineTune, train: Sequence[DatasetRow]) -> None:
    if not train:
        raise DataError(
            f"'{spec.name}': dataset '{spec.dataset}' has no rows in its train split; "
            "see what became of them with `tidemill data show`"
        )


def _columns(spec: FineTune, rows: Sequence[DatasetRow]) -> None:
    for column in ("text", "label"):
        empty = sum(row.get(column) in (None, "") for row in rows)
        if empty:
            raise DataError(
                f"'{spec.name}': {empty} of {len(rows)} rows of '{spec.dataset}' have no "
                f"`{column}`, which an encoder learns from; name it in the dataset's `map`"
            )


def _tokens(
    rows: Sequence[DatasetRow], program: Any, tokenizer: Any, length: int
) -> list[Example | None]:
    examples = []
    for row, conversation in zip(rows, program.conversations(rows), strict=True):
        completion = chat.completion(tokenizer, program.target(row))
        example = truncate_example(chat.encode(tokenizer, conversation), completion, length)
        examples.append(_with_weight(example, row) if example else None)
    return examples


def _texts(
    rows: Sequence[DatasetRow], tokenizer: Any, classes: Mapping[str, int], length: int
) -> tuple[Example, ...]:
    if not rows:
        return ()
    limit = min(length, int(tokenizer.model_max_length))
    texts = [str(row["text"]) for row in rows]
    full_ids = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    cut = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
    return tuple(
        _with_weight(
            Example(tuple(ids), label=classes[str(row["label"])], truncated=len(ids) < len(full)),
            row,
        )
        for row, ids, full in zip(rows, cut, full_ids, strict=True)
    )


def _with_weight(example: Example, row: DatasetRow) -> Example:
    weight = row.get("weight")
    return Example(
        example.ids, example.start, example.label,
        weight=1.0 if weight is None else float(weight), truncated=example.truncated,
    )  # fmt: skip
