"""A small training run that can be started as a process and killed in the middle."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.catalog import TRAINING
from tidemill.spec.finetune import EarlyStop, Train, Watchdog
from tidemill.training.causal import CausalLearner
from tidemill.training.examples import Example
from tidemill.training.loop import TrainingJob, TrainingResult, run_training

TRAIN = Train(
    epochs=4, learning_rate=2e-2, batch_tokens=64, max_length=32, checkpoint_every=1, dropout=0.1,
    seed=7,
)  # fmt: skip


def rows(n: int = 24, seed: int = 0) -> list[Example]:
    """Random prompts whose answer is always the same three tokens."""
    draw = random.Random(seed)
    return [
        Example((*(draw.randrange(10, 200) for _ in range(draw.randrange(3, 9))), 5, 6, 7), start=0)
        for _ in range(n)
    ]


def with_starts(examples: list[Example]) -> list[Example]:
    """The same rows, their loss taken over the last three tokens."""
    return [Example(one.ids, start=len(one.ids) - 3) for one in examples]


def model(folder: Path) -> Any:
    """A fresh tiny model in fp32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def train(
    base: Path,
    checkpoints: Path,
    tell: Callable[..., None],
    *,
    method: str = "lora",
    train: Train = TRAIN,
    early_stop: EarlyStop | None = None,
    resume: bool = True,
    digest: str = "same",
    **options: Any,
) -> tuple[Any, TrainingResult]:
    """The trained model and what happened."""
    import torch

    technique = TRAINING.load(method)
    torch.manual_seed(train.seed)
    prepared = technique.prepare(model(base), TRAINING.options(method, options), train, "causal-lm")
    learner = CausalLearner(prepared, pad=0, low=False)
    job = TrainingJob(train, early_stop, Watchdog(), digest, checkpoints, resume)
    outcome = run_training(learner, with_starts(rows()), with_starts(rows(6, 1)), job, tell)
    return prepared, outcome


def main(base: str, checkpoints: str) -> None:
    """Train slowly, telling each step, so that somebody can kill it."""

    def tell(message: str, **_: Any) -> None:
        print(message, flush=True)
        time.sleep(0.2)

    train(Path(base), Path(checkpoints), tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
