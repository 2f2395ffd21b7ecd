"""A linear head on the frozen sentence encoder, trained in seconds: for few rows and many labels.

Multinomial logistic regression on the mean of the encoder's last layer over the tokens, scaled to
length one. The encoder is read once for each row and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from tidemill.progress import Progress
from tidemill.spec.base import Frozen
from tidemill.training.examples import Example
from tidemill.training.linear_head import HeadFit, embed_examples, fit_head

VERSION = 1
FORM = "safetensors"
TASKS = ("sequence-classification",)
TRAIN_FIELDS = ("max_length",)


class Options(Frozen):
    """Options of `method: head`."""

    C: float | None = Field(default=None, gt=0)
    """Inverse strength of the L2 regularisation: a larger value follows the rows more closely.
    Without it the values 0.3, 1, 3, 10, 30, 100 and 300 are tried, and the one with the lowest loss
    on the validation split is taken (10 where that split is empty)."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` multiplies the weight of each row so that every label counts the same, however few
    rows it has."""


def fit(
    model: Any,
    train: Sequence[Example],
    validation: Sequence[Example],
    options: Options,
    *,
    pad: int,
    say: Progress,
) -> HeadFit:
    """The head for these rows; `model` is the sentence classifier whose encoder they go through."""
    rows = embed_examples(model, [*train, *validation], pad, say)
    return fit_head(
        rows[: len(train)],
        rows[len(train) :],
        C=options.C,
        balanced=options.class_weights == "balanced",
        say=say,
    )
