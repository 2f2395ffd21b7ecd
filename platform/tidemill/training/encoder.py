"""Learning to classify: the loss of an encoder with a classification head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidemill.training.examples import Example


class EncoderLearner:
    """Turns labelled examples into a loss; `model` is a sequence classifier of transformers."""

    def __init__(self, model: Any, *, pad: int, low: bool) -> None:
        self.model, self.pad, self.low = model, pad, low

    def loss(self, rows: Sequence[Example], smoothing: float) -> Any:
        """Sum over the rows of weight times cross-entropy."""
        import torch

        width = max(len(row.ids) for row in rows)
        fill = [width - len(row.ids) for row in rows]
        ids = torch.tensor([[*r.ids, *[self.pad] * n] for r, n in zip(rows, fill, strict=True)])
        mask = torch.tensor([[1] * len(r.ids) + [0] * n for r, n in zip(rows, fill, strict=True)])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.low):
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        labels = torch.tensor([row.label for row in rows])
        losses = torch.nn.functional.cross_entropy(
            logits.float(), labels, reduction="none", label_smoothing=smoothing
        )
        return (losses * torch.tensor([row.weight for row in rows])).sum()

    def prepare(self, examples: Sequence[Example], tell: Callable[[int, int], None]) -> int:
        """Nothing to read ahead: encoders are small."""
        return 0
