"""Gives the input back as the answer."""

from __future__ import annotations

from tidemill.answer import Answer
from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask

TITLE = "copy of the input"
ORDER = 20


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """Each question as its own answer; None where an answer is not free text."""
    if not task.is_free_text:
        return None
    return BaselineAnswers([Answer(example.question) for example in task.test])
