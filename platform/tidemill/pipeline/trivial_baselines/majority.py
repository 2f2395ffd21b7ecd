"""Always gives the commonest label, with its commonest text."""

from __future__ import annotations

from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask

TITLE = "majority answer"
ORDER = 10


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """The same answer to every row; None for texts without labels."""
    typical = task.typical_answers
    if not typical:
        return None
    label, commonest = next(iter(typical.items()))
    return BaselineAnswers([commonest] * len(task.test), f"always {label}")
