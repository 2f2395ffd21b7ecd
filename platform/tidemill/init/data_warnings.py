"""Warnings about a data file before it is used for training."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.data.file_profile import MAX_PROFILED_ROWS, FileProfile, personal_data
from tidemill.data.language import language_of
from tidemill.init.column_inference import ColumnChoice

MIN_PER_LABEL = 8
"""Rows of a label below which its share of the test rows says nothing."""


def profile_line(look: FileProfile) -> str:
    """One line: rows, size, columns with what they hold."""
    columns = ", ".join(
        f"{column.name} ({column.kind}, {column.distinct or 'many'} different)"
        for column in look.columns
    )
    return f"{len(look.rows):,} rows, {look.bytes / 1e6:.1f} MB: {columns}"


def data_warnings(look: FileProfile, choice: ColumnChoice) -> Iterator[str]:
    """Each thing that is worth a second look, as a sentence with the way out."""
    yield from _personal(look)
    yield from _language(look, choice)
    if choice.task != "generation":
        yield from _labels(look, choice)
    yield from _rows(look, choice)


def _personal(look: FileProfile) -> Iterator[str]:
    counts_by_kind, unknown = personal_data(look)
    if counts_by_kind:
        counts = ", ".join(f"{kind} in {_rows_of(count)}" for kind, count in counts_by_kind.items())
        yield (
            f"personal data: {counts} of the first {min(MAX_PROFILED_ROWS, len(look.rows)):,}; the "
            "dataset's 'privacy: {pii: redact}' takes it out before training, but the file itself"
            " goes into Git"
        )
    if unknown:
        yield f"not looked for: {', '.join(unknown)}; pip install 'tidemill[data]'"


def _language(look: FileProfile, choice: ColumnChoice) -> Iterator[str]:
    column = choice.question
    spoken = language_of(str(row.get(column) or "") for row in look.rows[:MAX_PROFILED_ROWS])
    if spoken not in (None, "English"):
        yield (
            f"'{column}' looks like {spoken}, and the base model reads English best; expect "
            "less, or name a model of that language in the project's Model spec"
        )
    if choice.task == "generation":
        return
    labels = language_of(str(label) for label in look.column(choice.answer).counts)
    if spoken and labels and labels != spoken:
        yield f"the labels look like {labels}, the texts like {spoken}; labels are only copied"


def _labels(look: FileProfile, choice: ColumnChoice) -> Iterator[str]:
    column = look.column(choice.answer)
    rare = [str(label) for label, count in column.counts.items() if count < MIN_PER_LABEL]
    if rare:
        listed = ", ".join(rare[:5]) + (", …" if len(rare) > 5 else "")
        yield (
            f"labels with fewer than {MIN_PER_LABEL} rows: {listed}; collect more, or merge them "
            "into others"
        )
    alike: dict[str, list[str]] = {}
    for label in map(str, column.counts):
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    for same in alike.values():
        if len(same) > 1:
            yield f"labels that differ only in case or blanks: {', '.join(map(repr, same))}"
    share = max(column.counts.values()) / max(1, column.filled)
    if share > 0.8:
        commonest = next(iter(column.counts))
        yield (
            f"{share:.0%} of the rows are '{commonest}': accuracy says little there; watch macro_f1"
        )


def _rows(look: FileProfile, choice: ColumnChoice) -> Iterator[str]:
    for name in (choice.question, choice.answer):
        column = look.column(name)
        if column.filled < len(look.rows):
            yield f"{_rows_of(len(look.rows) - column.filled)} without '{name}' are left out"
    questions = look.column(choice.question)
    if questions.filled - questions.distinct:
        again = _rows_of(questions.filled - questions.distinct)
        yield f"{again} whose '{choice.question}' another one has are left out"
    usable = len(look.complete_rows(choice.question, choice.answer))
    if usable < 200:
        yield f"{usable} rows are few: confidence intervals will be wide, and gates will be strict"


def _rows_of(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
