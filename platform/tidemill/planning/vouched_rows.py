"""Finds the dataset's row for a failure, and says whether its answer is vouched for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.data.pipeline import PreparedDataset
from tidemill.data.rows import ANSWER, FEEDBACK, ORIGIN, UNVERIFIED
from tidemill.data.votes import COUNTED
from tidemill.engine.failure import Failure
from tidemill.pipeline.slice_members import question_key
from tidemill.planning.failure_evidence import AnswerForm, QuestionKey
from tidemill.prompts.output_parsing import label_column, reference_answer
from tidemill.rows import DatasetRow

ONE_PERSON = "only one person vouches for the answer"
TRAINED = "a row of the project's own files, which is trained on"
UNKNOWN = "no row of the dataset asks it"


@dataclass(frozen=True)
class VouchedRow:
    """A dataset row that may be tested on, and the failure that it stands for."""

    failure: Failure
    row: DatasetRow
    split: str
    """Where the dataset has it now."""
    question: DatasetRow
    """The columns that are asked."""
    expected: str

    @property
    def key(self) -> QuestionKey:
        """Equal for rows that ask the same."""
        return question_key(self.question)


@dataclass(frozen=True)
class RowFinder:
    """The rows of a dataset as it is now, by what they ask and by the answers they came from."""

    form: AnswerForm
    by_question: Mapping[QuestionKey, tuple[str, DatasetRow]]
    by_answer: Mapping[str, tuple[str, DatasetRow]]
    quarantined: Mapping[str, str]
    """Kind of the reason by the answer's id, for rows that were left out."""
    has_votes: bool
    """True where people vote on labels; free answers need a review."""

    @classmethod
    def build(cls, prepared: PreparedDataset, form: AnswerForm) -> RowFinder:
        """From the dataset as a run would build it."""
        placed = [(split, row) for split, rows in prepared.splits.items() for row in rows]
        origins = {str(row.get(ORIGIN)): (split, row) for split, row in placed}
        by_answer = {str(row[ANSWER]): (split, row) for split, row in placed if row.get(ANSWER)}
        quarantined = {}
        for row, reason in prepared.quarantine.rows:
            if row.get(ANSWER):
                kind, _, origin = reason.partition(": for ")
                if kind == COUNTED and origin in origins:
                    by_answer.setdefault(str(row[ANSWER]), origins[origin])
                quarantined[str(row[ANSWER])] = reason.partition(":")[0]
        by_question = {question_key(form.columns(row)): (split, row) for split, row in placed}
        return cls(form, by_question, by_answer, quarantined, bool(prepared.questions))

    def find(self, failure: Failure) -> VouchedRow | str:
        """The row for a failure, or why none may be tested on."""
        match = self.by_question.get(question_key(failure.columns))
        match = match or self.by_answer.get(failure.id)
        if match is None:
            return self.quarantined.get(failure.id, UNKNOWN)
        split, row = match
        if split != "test":
            if not row.get(FEEDBACK):
                return TRAINED
            verified = not row.get(UNVERIFIED) if self.has_votes else _is_reviewed(failure)
            if not verified:
                return ONE_PERSON
        return VouchedRow(failure, row, split, self.form.columns(row), self._reference(row))

    def _reference(self, row: DatasetRow) -> str:
        output = self.form.output
        if output is None:
            return str(row.get("label") or "")
        label = label_column(output)
        return str(row[label]) if label else reference_answer(output, row).text


def _is_reviewed(failure: Failure) -> bool:
    return failure.agreement == "reviewed"
