"""Gives the label of a logistic regression on the frozen encoder, else on TF-IDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidemill.pipeline.baseline_task import BaselineAnswers, BaselineTask, LabelledExample
from tidemill.progress import no_progress

if TYPE_CHECKING:
    from tidemill.training.linear_head import EmbeddedRows

TITLE = "linear head"
ORDER = 40


def answer(task: BaselineTask) -> BaselineAnswers | None:
    """The label's commonest answer; None without two labels, and where the model is such a head."""
    labels = {label: place for place, label in enumerate(sorted(task.typical_answers))}
    if len(labels) < 2 or task.model_is_head:
        return None
    from tidemill.training.linear_head import fit_head

    features = task.features
    train = _embedded(features.train, task.train, labels)
    validation = _embedded(features.validation, task.validation, labels)
    fit = fit_head(train, validation, C=None, balanced=False, say=no_progress)
    chosen = (features.test @ fit.weight.T + fit.bias).argmax(axis=1)
    names = list(labels)
    answers = [task.typical_answers[names[place]] for place in chosen.tolist()]
    return BaselineAnswers(answers, f"{features.name}, C {fit.C:g}")


def _embedded(
    vectors: Any, examples: Sequence[LabelledExample], labels: dict[str, int]
) -> EmbeddedRows:
    """The rows of which a label is known in training."""
    import numpy as np

    from tidemill.training.linear_head import EmbeddedRows

    places = np.array(
        [place for place, e in enumerate(examples) if e.answer.label in labels], dtype=np.intp
    )
    return EmbeddedRows(
        vectors[places],
        np.array([labels[str(examples[place].answer.label)] for place in places], dtype=np.int64),
        np.array([examples[place].weight for place in places]),
    )
