"""AdamW and the learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemill.spec.finetune import Train

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


def make_optimiser(trained: Mapping[str, Tensor], train: Train) -> Optimizer:
    """AdamW; weight decay on matrices only, not on norms and biases."""
    import torch

    matrices = [p for p in trained.values() if p.ndim >= 2]
    others = [p for p in trained.values() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": train.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=train.learning_rate, betas=(0.9, 0.999)
    )


def rate_at(step: int, steps: int, train: Train) -> float:
    """The learning rate of one step (from 0): a linear rise, then the scheduler's shape to 0."""
    warm = round(steps * train.warmup_ratio)
    if step < warm:
        return train.learning_rate * (step + 1) / (warm + 1)
    gone = (step - warm) / max(1, steps - warm)
    shape = {
        "constant": 1.0,
        "linear": 1.0 - gone,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * gone)),
    }[train.scheduler]
    return train.learning_rate * shape
