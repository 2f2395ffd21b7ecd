"""Answers as text: written for training, parsed from a model's text, filled in from feedback."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tidemill.answer import Answer
from tidemill.errors import DataError
from tidemill.rows import DatasetRow
from tidemill.spec.prompt import JsonOutput, LabelOutput, Output, TextOutput

_SPACES = re.compile(r"[\s_]+")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def output_columns(output: Output) -> tuple[str, ...]:
    """The dataset's columns an answer fills."""
    label = output.label if isinstance(output, TextOutput) else None
    return (label, output.column) if label else (output.column,)


def label_column(output: Output) -> str | None:
    """The column with the label, where an answer has one."""
    return output.column if isinstance(output, LabelOutput) else getattr(output, "label", None)


def format_target(output: Output, row: DatasetRow) -> str:
    """The text a model should write for a row; raises DataError where a column is empty."""
    text = _answer_text(output, row)
    label = output.label if isinstance(output, TextOutput) else None
    return f"{_column(row, label)} | {text}" if label else text


def reference_answer(output: Output, row: DatasetRow) -> Answer:
    """The answer that is wanted for a row."""
    name = label_column(output)
    return Answer(_answer_text(output, row), label=_column(row, name) if name else None)


def parse_answer(output: Output, text: str, labels: Sequence[str] = ()) -> Answer:
    """The answer in a text; not `valid` where it lacks the shape, or names an unknown label."""
    if isinstance(output, JsonOutput):
        return _json(output, text)
    if isinstance(output, LabelOutput):
        first = next((line for line in text.strip().splitlines() if line.strip()), "")
        label = match_label(first, labels) or match_label(first.strip(" \t\"'`.*"), labels)
        return Answer(label or first.strip(), label=label, valid=label is not None)
    if output.label:
        head, bar, tail = text.partition("|")
        label = match_label(head, labels) if bar else None
        completion = tail.strip() if bar else text.strip()
        return Answer(completion, label=label, valid=bool(label and completion))
    return Answer(text.strip(), valid=bool(text.strip()))


def columns_from_feedback(
    output: Output, said: Any, label: str | None = None
) -> dict[str, str] | None:
    """The columns a user's answer fills; None where it lacks the shape.

    `said` is the text as the model would write it, the text alone with its `label` apart, or a
    mapping by column.
    """
    names = output_columns(output)
    if isinstance(said, Mapping) and not isinstance(output, JsonOutput):
        filled = {name: str(said[name]).strip() for name in names if said.get(name)}
        return filled if len(filled) == len(names) else None
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    if isinstance(output, TextOutput) and output.label and label and "|" not in text:
        return {output.label: label, output.column: text.strip()} if text.strip() else None
    answer = parse_answer(output, text)
    if not answer.valid:
        return None
    if isinstance(output, TextOutput) and output.label:
        return {output.label: str(answer.label), output.column: answer.text}
    return {output.column: answer.text}


def match_label(text: str, labels: Sequence[str]) -> str | None:
    """The label a text means, whatever its case and spacing; None for none, or an unknown one."""
    folded = _fold(text)
    if not labels:
        return text.strip() or None
    return next((label for label in labels if _fold(label) == folded), None)


def _fold(text: str) -> str:
    return _SPACES.sub(" ", text).strip().casefold()


def _answer_text(output: Output, row: DatasetRow) -> str:
    if not isinstance(output, JsonOutput):
        return _column(row, output.column)
    value = row.get(output.column)
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DataError(f"{_name(row)}: column '{output.column}' is not JSON ({error})") from error
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _column(row: DatasetRow, name: str) -> str:
    value = row.get(name)
    if value is None or value == "":
        raise DataError(
            f"{_name(row)}: no value in column '{name}', which the prompt's output names; "
            "add a `drop_empty` step, or name another column"
        )
    return str(value).strip()


def _name(row: DatasetRow) -> str:
    return f"row {row.get('id', '?')}"


def _json(output: JsonOutput, text: str) -> Answer:
    body = text.strip()
    fenced = _FENCE.search(body)
    try:
        value = json.loads(fenced[1] if fenced else body)
    except ValueError:
        return Answer(body, valid=False)
    valid = _validator(json.dumps(output.schema_, sort_keys=True)).is_valid(value)
    return Answer(json.dumps(value, ensure_ascii=False, sort_keys=True), valid=valid)


@cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))
