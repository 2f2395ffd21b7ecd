"""What goes into a new project's specs: figures from the data, names that specs can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.answer import Answer
from tidemill.data.file_profile import ColumnProfile, FileProfile, personal_data
from tidemill.init.candidates import propose_candidates
from tidemill.init.column_inference import ColumnChoice
from tidemill.init.default_gates import default_accuracy_gate, epochs, minimum_rows, overlap_gate
from tidemill.init.names import variable
from tidemill.metrics import Scored, rouge_l

_TRAIN = 0.7
_SAMPLE = 200
"""Rows that the best single answer is looked for on."""


@dataclass(frozen=True)
class SliceGuess:
    """A group of rows to measure on its own."""

    name: str
    column: str
    value: Any


def template_values(
    look: FileProfile, choice: ColumnChoice, *, name: str, owner: str, data: str, cores: int
) -> dict[str, object]:
    """Everything the templates are filled with; `cores` are those of the machine that trains."""
    mapped = _map(look, choice)
    usable = look.complete_rows(*filter(None, (choice.question, choice.answer, choice.label)))
    distinct = len({str(row[choice.question]).strip() for row in usable})
    ours = {theirs: mine for mine, theirs in mapped.items()}
    shared = {
        "task": choice.task,
        "name": name,
        "owner": owner,
        "data": data,
        "source": data.rpartition("/")[2],
        "map": mapped,
        "subject": choice.subject,
        "columns": [ours.get(c, c) for c in (choice.question, choice.answer)],
        "distinct": distinct,
        "minimum_rows": minimum_rows(distinct),
        "personal": ", ".join(personal_data(look)[0]),
        "slices": _slices(look, choice),
        "enough": max(10, min(200, len(usable) // 10)),
    }
    return shared | (
        _texts(look, choice, ours)
        if choice.task == "generation"
        else _labels(look.column(choice.answer), choice.task, cores)
    )


def _map(look: FileProfile, choice: ColumnChoice) -> dict[str, str]:
    """Our name → the file's, for columns whose own name will not do."""
    names: dict[str, str] = {}
    if choice.task != "generation":
        names = {"text": choice.question, "label": choice.answer}
    else:
        columns = {column.name for column in look.columns}
        for column in filter(None, (choice.question, choice.answer, choice.label)):
            own = variable(column, (columns - {column}) | names.keys())
            names[own] = column
    if choice.subject:
        names["subject"] = choice.subject
    weight = next((c for c in look.columns if c.name == "weight"), None)
    if weight and not _weighs(weight) and "weight" not in names.values():
        names["weight_text"] = "weight"  # `weight` is how much a row counts in training
    return {own: column_name for own, column_name in names.items() if own != column_name}


def _weighs(column: ColumnProfile) -> bool:
    try:
        return all(0 <= float(value) < float("inf") for value in column.counts)
    except (TypeError, ValueError):
        return False


def _labels(label: ColumnProfile, task: str, cores: int) -> dict[str, object]:
    counts = list(label.counts.values())
    return {
        "labels": sorted(label.counts, key=lambda value: (str(type(value)), value)),
        "commonest": f"'{next(iter(label.counts))}'".replace("\n", " "),
        "first_gate": default_accuracy_gate(counts),
        "candidates": propose_candidates(counts, cores) if task == "classification" else None,
    }


def _texts(look: FileProfile, choice: ColumnChoice, ours: Mapping[str, str]) -> dict[str, object]:
    answered = look.column(choice.answer)
    constant = best_single_answer([str(row.get(choice.answer) or "") for row in look.rows])
    longest = _longest(answered)
    return {
        "asked": ours.get(choice.question, choice.question),
        "answered": ours.get(choice.answer, choice.answer),
        "label": ours.get(choice.label, choice.label) if choice.label else None,
        "constant": constant,
        "gate": overlap_gate(constant),
        "longest": longest,
        "max_tokens": _tokens(longest, least=16, most=512),
        "max_length": _tokens(_longest(look.column(choice.question)) + longest, least=64, most=512),
        "epochs": epochs(round(len(look.rows) * _TRAIN), passes=1200, most=4),
    }


def best_single_answer(texts: Sequence[str]) -> float:
    """ROUGE-L of always giving the same answer: the best of the commonest and some others."""
    rows = texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
    common = [text for text, _ in Counter(texts).most_common(5)]
    candidates = dict.fromkeys([*common, *rows[:: max(1, len(rows) // 10)]])
    return max(sum(_overlaps(rows, candidate)) / len(rows) for candidate in candidates)


def _overlaps(rows: Sequence[str], answer: str) -> list[float]:
    return rouge_l.score([Scored(Answer(reference), Answer(answer)) for reference in rows])


def _slices(look: FileProfile, choice: ColumnChoice) -> list[SliceGuess]:
    """The two largest groups of the first column that divides the rows into a few."""
    used = {choice.question, choice.answer, choice.label, choice.subject, "weight", "id"}
    for column in look.columns:
        few = column.kind == "text" and 2 <= column.distinct <= 6 and column.words <= 4
        if few and column.name not in used and column.filled > len(look.rows) / 2:
            largest = list(column.counts)[:2]
            return [SliceGuess(f"{column.name} {value}", column.name, value) for value in largest]
    return []


def _longest(column: ColumnProfile) -> int:
    """Words of the longest value, but for the longest one in a hundred."""
    if column.kind != "text":
        return 1
    lengths = sorted(len(str(value).split()) for value in column.counts)
    return lengths[max(0, int(len(lengths) * 0.99) - 1)]


def _tokens(words: int, *, least: int, most: int) -> int:
    """Room for so many words: about two tokens each, and some; a multiple of 16."""
    rounded = (2 * words + 16 + 15) // 16 * 16
    return max(least, min(most, rounded))
