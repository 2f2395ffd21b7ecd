"""Kind FineTune: weights from a base, a dataset and a prompt."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tidemill.catalog import METRICS, TRAINING
from tidemill.spec.base import AddedLater, Fraction, Frozen, NamesTechnique, RefersTo, Spec


class Train(Frozen):
    """Hyperparameters that every method shares."""

    epochs: float = Field(default=3.0, gt=0)
    """Passes over the training rows."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after this many optimiser steps, whatever the epochs say."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak learning rate of AdamW."""
    scheduler: Literal["linear", "cosine", "constant"] = "cosine"
    """Shape of the learning rate after warm-up."""
    warmup_ratio: Fraction = 0.05
    """Share of the steps in which the rate rises from 0."""
    batch_tokens: int = Field(default=1024, ge=16)
    """Tokens in one optimiser step, padding included; rows are bucketed by length."""
    max_length: int = Field(default=512, ge=8)
    """Longest row in tokens; longer prompts lose their beginning, never their answer."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""
    dropout: Fraction = 0.0
    """Dropout of the trained part."""
    label_smoothing: Fraction = 0.0
    """Share of the target spread over the other classes."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` takes bf16 autocast where the processor has it."""
    checkpoint_every: int = Field(default=20, ge=1)
    """Optimiser steps between checkpoints; a killed run resumes from the last one."""
    seed: int = 0
    """Seeds order, initial weights and dropout."""


class EarlyStop(Frozen):
    """Stop when the validation loss no longer improves."""

    patience: int = Field(default=2, ge=1)
    """Looks without improvement before stopping; the best weights are kept."""
    minimum_gain: float = Field(default=0.0, ge=0)
    """Smaller gains do not count."""
    max_epochs: Annotated[float | None, AddedLater()] = Field(default=None, gt=0)
    """Where the last look at the validation rows is the best one, train half as many epochs again,
    and so on up to this many; without it training ends at `train.epochs`."""


class Watchdog(Frozen):
    """Stop a run whose loss runs away."""

    max_ratio: float = Field(default=3.0, gt=1)
    """Stop when the smoothed loss exceeds this multiple of its best value, or is not finite."""
    after_steps: int = Field(default=10, ge=0)
    """Steps to wait before watching."""


LOOP_FIELDS = ("early_stop", "watchdog", "resume")
"""Fields of a FineTune, beside `train`, that only the training loop reads."""


class Sweep(Frozen):
    """Search space of `tidemill sweep`."""

    metric: Annotated[str, NamesTechnique(METRICS)]
    """Metric to maximise on the validation split."""
    space: dict[str, tuple[Any, ...]]
    """Dotted field names, e.g. `train.learning_rate`, and the values to try."""
    trials: int = Field(default=8, ge=1)
    """Hard limit of trials."""


class FineTune(Spec):
    """Weights from a base, a dataset and a prompt."""

    kind: Literal["FineTune"]
    base: Annotated[str, RefersTo(("Model", "FineTune"))]
    """The model to start from."""
    dataset: Annotated[str, RefersTo(("Dataset",))]
    """Trains on its `train` split, watches `validation`, never sees `test`."""
    prompt: Annotated[str, RefersTo(("Prompt",))] | None = None
    """Prompt of a causal language model; an encoder reads the `text` column and needs none."""
    method: Annotated[str, NamesTechnique(TRAINING)] = "lora"
    """Training method: `lora` and `full` train weights step by step; `head` fits a linear head to a
    frozen sentence encoder in seconds, and of `train` only `max_length` has an effect."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the method."""
    train: Train = Train()
    """Hyperparameters."""
    early_stop: EarlyStop | None = EarlyStop()
    """Rule for early stopping; null trains to the end."""
    watchdog: Watchdog = Watchdog()
    """Rule for aborting a diverged training."""
    sweep: Sweep | None = None
    """Search space of a sweep."""
    resume: bool = True
    """Go on from the last checkpoint of a killed run with the same inputs."""
