"""A linear head on fixed embeddings: multinomial logistic regression (scikit-learn, L-BFGS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.progress import Progress
from tidemill.training.examples import Example, length_batches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]

GRID = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Values of C that are tried where none is given."""
WITHOUT_VALIDATION = 10.0
"""C where none is given and there are no validation rows to choose it on."""
_BATCH_TOKENS = 4096
_ITERATIONS = 5000


@dataclass(frozen=True)
class EmbeddedRows:
    """Rows as the head sees them."""

    vectors: Floats
    """(n, size), each of length one."""
    classes: npt.NDArray[np.int64]
    weights: Floats

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: slice) -> EmbeddedRows:
        return EmbeddedRows(self.vectors[rows], self.classes[rows], self.weights[rows])


@dataclass(frozen=True)
class HeadScore:
    """How well a head does on rows: mean cross-entropy in nats, and the share of right labels."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class HeadFit:
    """A fitted head and how its regularisation was chosen."""

    weight: Floats
    """(labels, size), float32."""
    bias: Floats
    """(labels,), float32."""
    C: float
    """Inverse strength of the regularisation."""
    train: HeadScore
    validation: HeadScore | None
    """None without validation rows."""
    tried: tuple[tuple[float, HeadScore], ...] = ()
    """Every C that was tried, with its score on the validation rows; empty where C was given."""

    @property
    def is_chosen(self) -> bool:
        """True where the validation rows chose C."""
        return bool(self.tried)


def embed_examples(
    model: Any, examples: Sequence[Example], pad: int, say: Progress
) -> EmbeddedRows:
    """Each row through the frozen encoder once; `model` is a sentence classifier."""
    import numpy as np
    import torch

    vectors = np.zeros((len(examples), int(model.config.hidden_size)), dtype=np.float32)
    done = 0
    for places in length_batches(examples, _BATCH_TOKENS):
        rows = [examples[place].ids for place in places]
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        with torch.inference_mode():
            vectors[places] = model.embed(ids, mask).numpy()
        done += len(places)
        say("reading rows through the frozen encoder", done=done, total=len(examples))
    classes = np.array([example.label for example in examples], dtype=np.int64)
    return EmbeddedRows(vectors, classes, np.array([example.weight for example in examples]))


def fit_head(
    train: EmbeddedRows,
    validation: EmbeddedRows,
    *,
    C: float | None,  # noqa: N803 - the field's name everywhere, scikit-learn's too
    balanced: bool,
    say: Progress,
) -> HeadFit:
    """The head with this C, or with the one of `GRID` that has the lowest validation loss; of equal
    losses the smaller C. Deterministic."""
    values = [C] if C is not None else list(GRID) if len(validation) else [WITHOUT_VALIDATION]
    heads = []
    for index, value in enumerate(values):
        weight, bias = _logistic_regression(train, value, balanced)
        score = score_head(weight, bias, validation) if len(validation) else None
        heads.append((value, weight, bias, score))
        loss = f" · validation loss {score.loss:.4f}" if score else ""
        say(f"head with C {value:g}{loss}", done=index + 1, total=len(values))
    value, weight, bias, score = min(heads, key=lambda head: head[3].loss if head[3] else 0.0)
    tried = tuple((head[0], head[3]) for head in heads if head[3]) if len(heads) > 1 else ()
    return HeadFit(weight, bias, value, score_head(weight, bias, train), score, tried)


def score_head(weight: Floats, bias: Floats, rows: EmbeddedRows) -> HeadScore:
    """Loss and accuracy on rows; row weights are left out."""
    import numpy as np
    from scipy.special import log_softmax

    logits = rows.vectors.astype(np.float64) @ weight.T + bias
    chosen = log_softmax(logits, axis=1)[np.arange(len(rows)), rows.classes]
    return HeadScore(float(-chosen.mean()), float((logits.argmax(1) == rows.classes).mean()))


def _logistic_regression(rows: EmbeddedRows, value: float, balanced: bool) -> tuple[Floats, Floats]:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    method = LogisticRegression(
        C=value, class_weight="balanced" if balanced else None, max_iter=_ITERATIONS, tol=1e-6
    )
    # Many small products: on a busy machine BLAS threads wait for each other for minutes.
    with threadpool_limits(limits=1):
        fitted = method.fit(
            rows.vectors.astype(np.float64), rows.classes, sample_weight=rows.weights
        )
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:  # two labels: scikit-learn gives the difference of their logits
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)
