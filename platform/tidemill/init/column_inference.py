"""Which columns are the question and the answer, and so what kind of model it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tidemill.data.file_profile import MIN_ROWS, ColumnProfile, FileProfile
from tidemill.errors import DataError, suggest

Task = Literal["generation", "classification", "ranking"]
TASKS: tuple[Task, ...] = get_args(Task)
MOST_LABELS = 200
_ASKED = (
    *("text", "request", "question", "prompt", "input", "instruction", "message", "query"),
    *("utterance", "signal", "clause", "body", "review", "sentence", "title", "description"),
)
_ANSWERED = (
    *("completion", "answer", "reply", "response", "output", "summary", "target", "corrected"),
    *("translation", "rewrite"),
)
_NAMED = ("label", "intent", "category", "class", "topic", "sentiment", "tag", "rating", "target")
_CHOSEN = ("item", "product", "category", "choice", "chosen", "clicked", "bought", "recommended")
_WHO = ("subject", "user", "customer", "visitor", "visit", "session", "author", "account", "person")


@dataclass(frozen=True)
class ColumnChoice:
    """What to learn from which columns, under the names they have in the file."""

    task: Task
    question: str
    """The column a model is given."""
    answer: str
    """The column it should answer: a text for generation, else a label."""
    label: str | None = None
    """Generation only: a column whose value leads the answer."""
    subject: str | None = None
    """The column that says who a row is about, where there is one."""


def choose_columns(
    look: FileProfile,
    task: Task | None = None,
    *,
    asked: str | None = None,
    answered: str | None = None,
    label: str | None = None,
) -> ColumnChoice:
    """The named columns, and guesses for the others; raises DataError where nothing fits."""
    for name in (asked, answered, label):
        if name is not None and name not in [column.name for column in look.columns]:
            names = [column.name for column in look.columns]
            raise DataError(f"{look.path} has no column '{name}'; {suggest(name, names)}")
    task = task or _task(look, answered)
    answer = answered
    if answer is None:
        answer = _answer(look, asked) if task == "generation" else _label(look, task, asked)
    question = asked or _guess_question(look, answer)
    choice = ColumnChoice(task, question, answer, label, _subject(look, (question, answer, label)))
    _fits(look, choice)
    return choice


def _task(look: FileProfile, answered: str | None) -> Task:
    """Classification where some column looks like labels, else generation."""
    if answered is not None:
        return "classification" if _labels(look, look.column(answered)) else "generation"
    labels = [column for column in look.columns if _labels(look, column)]
    named = any(_has_known_name(column, _NAMED) for column in labels)
    written = any(
        _has_known_name(column, _ANSWERED) for column in look.columns if column not in labels
    )
    return "classification" if named or (labels and not written) else "generation"


def _labels(look: FileProfile, column: ColumnProfile) -> bool:
    """True for a column of few, short values that repeat."""
    few = 2 <= column.distinct <= min(MOST_LABELS, len(look.rows) // 5)
    return few and column.words <= 4 and not _has_known_name(column, _WHO)


def _label(look: FileProfile, task: Task, asked: str | None) -> str:
    names = _CHOSEN if task == "ranking" else _NAMED
    fitting = [c for c in look.columns if _labels(look, c) and c.name != asked]
    if not fitting:
        raise DataError(
            f"{look.path} has no column of labels (2 to {MOST_LABELS} values that repeat); name it "
            "with --label, or choose --task generation"
        )
    return min(fitting, key=lambda c: (_rank(c, names), -c.filled, c.distinct)).name


def _answer(look: FileProfile, asked: str | None) -> str:
    texts = [c for c in look.columns if c.kind == "text" and c.name != asked]
    texts = [
        c for c in texts if not _has_known_name(c, _WHO) and not (_rank(c, _ASKED) < len(_ASKED))
    ]
    if not texts:
        raise DataError(f"{look.path} has no column of answers; name it with --output")
    return min(texts, key=lambda c: (_rank(c, _ANSWERED), -c.words)).name


def _guess_question(look: FileProfile, answered: str) -> str:
    texts = [c for c in look.columns if c.kind == "text" and c.name != answered]
    if not texts:
        raise DataError(
            f"{look.path} has no column of text beside '{answered}'; name one with --input"
        )
    return min(texts, key=lambda c: (_rank(c, _ASKED), -c.words)).name


def _subject(look: FileProfile, used: Sequence[str | None]) -> str | None:
    candidates = [c for c in look.columns if c.name not in used and _has_known_name(c, _WHO)]
    candidates = [c for c in candidates if c.kind in ("text", "number") and c.distinct >= 10]
    return min(candidates, key=lambda c: _rank(c, _WHO)).name if candidates else None


def _rank(column: ColumnProfile, names: Sequence[str]) -> int:
    """Where a column's name stands in a list: 0 is best, the list's length is nowhere."""
    words = column.name.lower().replace("-", "_").replace(" ", "_").split("_")
    return next((index for index, name in enumerate(names) if name in words), len(names))


def _has_known_name(column: ColumnProfile, names: Sequence[str]) -> bool:
    return _rank(column, names) < len(names)


def _fits(look: FileProfile, choice: ColumnChoice) -> None:
    """Refuse columns that nothing can be learned from."""
    if choice.question == choice.answer:
        raise DataError(f"'{choice.question}' cannot be both the question and the answer; name two")
    for name in filter(None, (choice.question, choice.answer, choice.label)):
        column = look.column(name)
        if column.kind in ("nested", "mixed", "empty"):
            raise DataError(f"{look.path}: column '{name}' {_TELLS[column.kind]}")
    written = (
        (choice.question, choice.answer) if choice.task == "generation" else (choice.question,)
    )
    for name in written:
        if look.column(name).kind != "text":
            raise DataError(f"{look.path}: column '{name}' holds no text; name another one")
    usable = len(look.complete_rows(choice.question, choice.answer))
    if usable < MIN_ROWS:
        raise DataError(
            f"{look.path}: {usable} of {len(look.rows)} rows have both '{choice.question}' and "
            f"'{choice.answer}'; {MIN_ROWS} are the fewest that leave something to judge on"
        )
    if choice.task != "generation":
        _countable(look, look.column(choice.answer))


_TELLS = {
    "nested": "holds lists or objects; write its text into a column of its own",
    "mixed": "holds text in some rows and numbers in others; write all of them in quotes",
    "empty": "is empty; name another one",
}


def _countable(look: FileProfile, column: ColumnProfile) -> None:
    column_text = f"{look.path}: column '{column.name}'"
    if column.distinct == 1:
        only = next(iter(column.counts))
        raise DataError(
            f"{column_text} holds one label, '{only}', in every row; a choice takes at least two"
        )
    if column.distinct > MOST_LABELS or column.distinct > len(look.rows) / 2:
        raise DataError(
            f"{column_text} holds {column.distinct} different values in {len(look.rows)} rows, "
            f"which are no labels ({MOST_LABELS} at most); choose --task generation, or another "
            "column"
        )
