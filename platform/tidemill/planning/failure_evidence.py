"""What people said of a service's answers, beside what the dataset makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tidemill.adapters.ledger.judged_feedback import JudgedFeedback
from tidemill.answer import Answer
from tidemill.data.pipeline import PreparedDataset
from tidemill.data.rows import EVENT
from tidemill.data.similar_rows import question_text
from tidemill.data.votes import OUTVOTED, SettledQuestion
from tidemill.engine.failure import Agreement, AnswerSignal, JudgedAnswer, Settlement
from tidemill.pipeline.settled_labels import VERIFIED
from tidemill.pipeline.slice_members import question_key
from tidemill.prompts.output_parsing import columns_from_feedback, reference_answer
from tidemill.rows import DatasetRow
from tidemill.spec.prompt import Output, Prompt

QuestionKey = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class AnswerForm:
    """How questions and answers of a service are read: by its prompt, or as a classifier's."""

    inputs: tuple[str, ...] = ("text",)
    output: Output | None = None

    @classmethod
    def of_prompt(cls, prompt: Prompt | None) -> AnswerForm:
        """The form of a prompt; a classifier's without one."""
        return cls(tuple(prompt.inputs), prompt.output) if prompt else cls()

    def columns(self, question: Any) -> DatasetRow:
        """The columns of a question that are asked."""
        row = question if isinstance(question, Mapping) else {self.inputs[0]: question}
        return {name: row[name] for name in self.inputs if row.get(name) is not None}

    def text(self, columns: DatasetRow) -> str:
        """A question as people read it."""
        return question_text(columns, self.inputs)

    def read(self, content: Any, label: str | None = None) -> Answer | None:
        """An answer from what was said (text, or a mapping by column); None without the form that
        the prompt asks for."""
        if self.output is not None:
            columns = columns_from_feedback(self.output, content, label)
            return reference_answer(self.output, columns) if columns else None
        value = content.get("label") if isinstance(content, Mapping) else content
        name = label or str(value or "").strip()
        return Answer(name, name) if name else None


@dataclass(frozen=True)
class Settlements:
    """What became of questions and of votes in the dataset as it is now."""

    by_question: Mapping[QuestionKey, Settlement]
    outvoted: frozenset[str]
    """Ids of events that others outvoted."""


NOTHING_SETTLED = Settlements({}, frozenset())


def read_settlements(prepared: PreparedDataset, form: AnswerForm) -> Settlements:
    """The settled questions of a dataset, and the events that it left out as outvoted."""
    return Settlements(
        {question_key(form.columns(q.question)): _settlement(q) for q in prepared.questions},
        frozenset(
            str(row.get(EVENT))
            for row, reason in prepared.quarantine.rows
            if reason.startswith(OUTVOTED)
        ),
    )


def judged_answers(
    rows: Iterable[JudgedFeedback], form: AnswerForm, settled: Settlements
) -> list[JudgedAnswer]:
    """Feedback put together by the answer that it is about, oldest answer first."""
    ordered = sorted(rows, key=lambda row: (row["answered_at"], row["response_id"]))
    groups = groupby(ordered, key=lambda row: row["response_id"])
    return [_join_signals(list(group), form, settled) for _, group in groups]


def _join_signals(
    rows: Sequence[JudgedFeedback], form: AnswerForm, settled: Settlements
) -> JudgedAnswer:
    first = rows[0]
    columns = form.columns(first["question"])
    answer = form.read(first["output"], first["label"])
    return JudgedAnswer(
        response_id=first["response_id"],
        question=form.text(columns),
        columns=columns,
        answer=answer or Answer(first["output"], first["label"], valid=False),
        release=first["release"],
        subject=first["subject"],
        time=first["answered_at"],
        signals=[_signal(row, form, settled) for row in rows],
        is_shadow=first["arm"] == "shadow",
        settlement=settled.by_question.get(question_key(columns)),
    )


def _signal(row: JudgedFeedback, form: AnswerForm, settled: Settlements) -> AnswerSignal:
    return AnswerSignal(
        kind=row["kind"],
        time=row["time"],
        person=row["person"],
        rating=row["rating"],
        expected=form.read(row["content"]) if row["content"] else None,
        verdict=row["verdict"],
        is_outvoted=row["event_id"] in settled.outvoted,
    )


def _settlement(question: SettledQuestion) -> Settlement:
    agreement: Agreement = "unverified"
    if question.state in ("reviewed", "rejected"):
        agreement = "reviewed"
    elif question.state in ("contested", "new label"):
        agreement = "contested"
    elif _is_vouched_for(question):
        agreement = "agreed"
    return Settlement(question.label, agreement, question.state == "rejected")


def _is_vouched_for(question: SettledQuestion) -> bool:
    """True where a file has the label, or several people agree on it."""
    if any(vote.kind == "file" and vote.label == question.label for vote in question.votes):
        return True
    return len(question.votes) > 1 and question.confidence >= VERIFIED
