"""Gives the label of a logistic regression on the frozen encoder, with its commonest text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask, LabelledExample
from tidemill.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.training.linear_head import EmbeddedRows

TITLE = "linear head on the frozen encoder"
ORDER = 40


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """None without an encoder or two labels, and where the model is such a head itself."""
    labels = sorted(task.typical_answers)
    if task.encoder is None or len(labels) < 2 or task.model_is_head:
        return None
    from tidemill.training.linear_head import fit_head

    held_out = [e for e in task.validation if e.answer.label in task.typical_answers]
    train, validation = (_embedded(task, labels, part) for part in (task.train, held_out))
    fit = fit_head(train, validation, C=None, balanced=False, say=no_progress)
    chosen = (task.vectors(task.test) @ fit.weight.T + fit.bias).argmax(axis=1)
    answers = [task.typical_answers[labels[place]] for place in chosen.tolist()]
    return BaselineAnswers(answers, f"{task.encoder.name}, C {fit.C:g}")


def _embedded(
    task: BaselineTask, labels: Sequence[str], examples: Sequence[LabelledExample]
) -> EmbeddedRows:
    import numpy as np

    from tidemill.training.linear_head import EmbeddedRows

    classes = {label: place for place, label in enumerate(labels)}
    return EmbeddedRows(
        task.vectors(examples),
        np.array([classes[str(example.answer.label)] for example in examples], dtype=np.int64),
        np.array([example.weight for example in examples]),
    )
