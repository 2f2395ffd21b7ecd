"""Kind FineTune: weights from a base, a dataset and a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tidemill.catalog import METRICS, TRAINING
from tidemill.spec.base import (
    AddedLater,
    FieldConflict,
    Fraction,
    Frozen,
    NamesTechnique,
    RefersTo,
    Spec,
)


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


class Alternative(Frozen):
    """Another way to make a fine-tune; what it does not name is as the spec says."""

    base: Annotated[str, RefersTo(("Model", "FineTune"))] | None = None
    """Another model to start from, for the same task."""
    method: Annotated[str, NamesTechnique(TRAINING)] | None = None
    """Another method; it starts from its own default options."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Dotted field names, e.g. `train.learning_rate`, and their values."""

    @property
    def label(self) -> str:
        """What it changes, in words: `method head, options.C 10`."""
        named = {"base": self.base, "method": self.method, **self.settings}
        return ", ".join(f"{key} {value}" for key, value in named.items() if value is not None)

    def applied_to(self, spec: FineTune) -> FineTune:
        """The spec with this alternative and without candidates; raises pydantic's
        ValidationError where a setting does not fit."""
        changes: dict[str, Any] = {"candidates": None}
        if self.base is not None:
            changes["base"] = self.base
        if self.method is not None and self.method != spec.method:
            changes |= {"method": self.method, "options": {}}
        return with_settings(spec.model_copy(update=changes), self.settings)


class Candidates(Frozen):
    """Several ways to make a fine-tune: the validation rows choose one of them."""

    metric: Annotated[str, NamesTechnique(METRICS)]
    """What they are compared by, on the validation split."""
    choose: Literal["best", "first_passing"] = "best"
    """`best` tries them all; `first_passing` begins with the cheapest and stops at the first whose
    confidence bound reaches `at_least`, and takes the best where none does."""
    at_least: float | None = None
    """The limit of `first_passing`."""
    alternatives: tuple[Alternative, ...] = Field(min_length=1, max_length=16)
    """What is tried beside the spec's own values."""

    @property
    def limit(self) -> float | None:
        """The limit that ends the search; None where all are compared."""
        return self.at_least if self.choose == "first_passing" else None

    @model_validator(mode="after")
    def _check_limit(self) -> Self:
        if self.choose == "first_passing" and self.at_least is None:
            cause = "'choose: first_passing' needs a limit"
            raise FieldConflict("choose", cause, "add 'at_least', or write 'choose: best'")
        if self.choose == "best" and self.at_least is not None:
            cause = "'at_least' has no effect with 'choose: best'"
            raise FieldConflict("at_least", cause, "delete it, or write 'choose: first_passing'")
        return self


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
    candidates: Annotated[Candidates | None, AddedLater()] = None
    """Alternatives that are trained and compared when it is built; the choice is recorded with the
    table of all, and confirmed on test rows by the Evaluation."""
    resume: bool = True
    """Go on from the last checkpoint of a killed run with the same inputs."""


def with_settings(spec: FineTune, settings: Mapping[str, object]) -> FineTune:
    """The spec with other values of dotted fields; raises pydantic's ValidationError."""
    values = spec.model_dump(mode="python")
    for name, value in settings.items():
        head, _, field = name.partition(".")
        values[head] = {**values[head], field: value}
    return FineTune.model_validate(values)
