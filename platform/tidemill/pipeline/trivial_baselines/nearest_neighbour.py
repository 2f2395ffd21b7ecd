"""Gives the answer of the most similar training row: by the frozen encoder, else by TF-IDF."""

from __future__ import annotations

from typing import Any

from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask

TITLE = "nearest labelled neighbour"
ORDER = 30
_BLOCK = 256


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """The nearest row's answer, the first of equals; None without training rows."""
    if not task.train:
        return None
    features = task.features
    nearest: list[int] = []
    for start in range(0, len(task.test), _BLOCK):
        similarity = features.test[start : start + _BLOCK] @ features.train.T
        nearest += _dense(similarity).argmax(axis=1).tolist()
    return BaselineAnswers([task.train[place].answer for place in nearest], features.name)


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix
