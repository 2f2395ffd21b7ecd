"""The loop every method shares: steps, looks at the validation rows, checkpoints, early stopping.

Everything random is a function of the seed and the step, so a run that was killed and resumed takes
the same steps as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tidemill.errors import TrainingError
from tidemill.progress import Progress
from tidemill.spec.finetune import EarlyStop, Train, Watchdog
from tidemill.training import checkpoint
from tidemill.training.examples import Example, pack_batches, run_batches
from tidemill.training.optimiser import make_optimiser, rate_at
from tidemill.training.watchdog import LossWatchdog

if TYPE_CHECKING:
    from torch import Tensor

MICRO_TOKENS = 4096
"""Tokens of one forward pass; a larger optimiser step is added up from several."""
_LOOK_AT_LEAST = 200


class Learner(Protocol):
    """Turns examples into a loss."""

    model: Any

    def loss(self, rows: Sequence[Example], smoothing: float) -> Any:
        """Weighted sum of the losses of all targets of the rows."""

    def prepare(self, examples: Sequence[Example], tell: Callable[[int, int], None]) -> int:
        """Work that need not be done in every epoch; the number of layers it saves."""


@dataclass(frozen=True)
class TrainingJob:
    """Hyperparameters, stopping rules and checkpoint folder of one training run."""

    train: Train
    early_stop: EarlyStop | None
    watchdog: Watchdog
    digest: str
    """Digest over all inputs of the run; a checkpoint of another digest is not used."""
    checkpoints: Path
    resume: bool = True


@dataclass
class TrainingResult:
    """Losses, steps and stop reason of a run; the learner's model holds the best weights."""

    steps: int = 0
    planned_steps: int = 0
    tokens: int = 0
    """Real tokens that went through the steps, padding not counted; resumed ones included."""
    seconds: float = 0.0
    """Spent on steps (looks and reading ahead not counted), in this process."""
    tokens_this_run: int = 0
    """Tokens of this process, for the speed."""
    losses: list[tuple[int, float]] = field(default_factory=list)
    validation_losses: list[tuple[int, float]] = field(default_factory=list)
    """Validation loss, by step."""
    best_step: int = 0
    stop_reason: str = ""
    resumed_from: int = 0
    layers_saved: int = 0

    @property
    def best(self) -> float | None:
        """The lowest validation loss."""
        return min((loss for _, loss in self.validation_losses), default=None)

    @property
    def still_improves(self) -> bool:
        """True where the last look at the validation rows was the best one: it could learn more."""
        return bool(self.validation_losses) and self.best_step == self.steps


def run_training(
    learner: Learner,
    rows: Sequence[Example],
    held_out: Sequence[Example],
    job: TrainingJob,
    tell: Progress,
) -> TrainingResult:
    """Train; raises Diverged, or TrainingError where memory runs out."""
    try:
        return _Run(learner, list(rows), list(held_out), job, tell).go()
    except MemoryError:
        raise _too_big(job.train) from None
    except RuntimeError as error:
        if "alloc" in str(error) and "memory" in str(error):
            raise _too_big(job.train) from None
        raise


class _Run:
    def __init__(
        self,
        learner: Learner,
        rows: list[Example],
        held_out: list[Example],
        job: TrainingJob,
        tell: Progress,
    ) -> None:
        self.learner, self.rows, self.held_out, self.job, self.tell = (
            learner, rows, held_out, job, tell
        )  # fmt: skip
        self.out = TrainingResult()
        self._plan(job.train.epochs)
        self.trained = {n: p for n, p in learner.model.named_parameters() if p.requires_grad}
        self.optimiser = make_optimiser(self.trained, job.train)
        self.guard = LossWatchdog(job.watchdog)
        self.best: Mapping[str, Tensor] = {}

    def go(self) -> TrainingResult:
        self._resume()
        self.out.layers_saved = self.learner.prepare(
            [*self.rows, *self.held_out],
            lambda done, total: self.tell(
                "reading rows through frozen layers", done=done, total=total
            ),
        )
        while not self.out.stop_reason and (self._has_steps() or self._add_epochs()):
            self._step(self.batches[self.out.steps])
            if self.out.steps in self.looks:
                self._validate()
            if self.out.steps % self.job.train.checkpoint_every == 0:
                self._save()
        self._keep_best()
        return self.out

    def _plan(self, epochs: float) -> None:
        """The steps of so many epochs; those of fewer are their beginning."""
        train = self.job.train
        self.epochs = epochs
        self.batches, ends = run_batches(
            self.rows, batch_tokens=train.batch_tokens, epochs=epochs,
            max_steps=train.max_steps, seed=train.seed,
        )  # fmt: skip
        self.looks = set(ends) | set(range(_LOOK_AT_LEAST, len(self.batches), _LOOK_AT_LEAST))
        self.out.planned_steps = len(self.batches)

    def _has_steps(self) -> bool:
        return self.out.steps < len(self.batches)

    def _add_epochs(self, *, resumed: bool = False) -> bool:
        """Plan half as many epochs again where the last look was the best one and the spec allows
        it, so that the learning rate rises once more; False where there is nothing to train."""
        limit = self.job.early_stop.max_epochs if self.job.early_stop else None
        if limit is None or self.epochs >= limit or not (resumed or self.out.still_improves):
            return False
        former = len(self.batches)
        self._plan(min(self.epochs + max(1, math.ceil(self.epochs / 2)), limit))
        return len(self.batches) > former

    def _step(self, places: list[int]) -> None:
        import torch

        started = time.perf_counter()
        train, step = self.job.train, self.out.steps
        rows = [self.rows[i] for i in places]
        torch.manual_seed(train.seed * 1_000_003 + step)
        self.learner.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(step, len(self.batches), train)
        share = sum(row.weight * row.targets for row in rows)
        loss = 0.0
        for part in pack_batches(rows, range(len(rows)), MICRO_TOKENS):
            value = self.learner.loss([rows[i] for i in part], train.label_smoothing) / share
            value.backward()
            loss += float(value.detach())
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        self.guard.update(step + 1, loss, self.job)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._count(rows, loss, time.perf_counter() - started)

    def _count(self, rows: list[Example], loss: float, seconds: float) -> None:
        out, tokens = self.out, sum(len(row.ids) for row in rows)
        out.steps += 1
        out.tokens += tokens
        out.tokens_this_run += tokens
        out.seconds += seconds
        out.losses.append((out.steps, loss))
        speed = out.tokens_this_run / max(out.seconds, 1e-9)
        self.tell(
            f"step {out.steps}/{out.planned_steps} · loss {loss:.3f} · {speed:.0f} tokens/s",
            done=out.steps, total=out.planned_steps,
        )  # fmt: skip

    def _validate(self) -> None:
        """Measure the validation loss; keep the weights if it is the best; stop if it is time."""
        if not self.held_out:
            return
        before, loss = self.out.best, validation_loss(self.learner, self.held_out)
        self.out.validation_losses.append((self.out.steps, loss))
        self.tell(f"step {self.out.steps}: validation loss {loss:.4f}")
        stop = self.job.early_stop
        gain = stop.minimum_gain if stop else 0.0
        if before is None or loss < before - gain:
            self.out.best_step = self.out.steps
            self.best = {n: p.detach().clone() for n, p in self.trained.items()}
        since = sum(1 for at, _ in self.out.validation_losses if at > self.out.best_step)
        if stop and since >= stop.patience and self.out.steps < len(self.batches):
            self.out.stop_reason = (
                f"validation loss did not improve in {since} looks; "
                f"kept the weights of step {self.out.best_step}"
            )

    def _keep_best(self) -> None:
        import torch

        with torch.no_grad():
            for name, value in self.best.items():
                self.trained[name].copy_(value)
        self.learner.model.eval()

    def _save(self) -> None:
        out = self.out
        state = checkpoint.RunState(
            self.job.digest, out.steps, out.tokens, out.losses, out.validation_losses,
            out.best_step, self.guard.state(), out.stop_reason,
        )  # fmt: skip
        checkpoint.save(self.job.checkpoints, state, self.trained, self.optimiser, self.best)

    def _resume(self) -> None:
        if not self.job.resume:
            checkpoint.clear(self.job.checkpoints)
        saved = checkpoint.load(self.job.checkpoints, self.job.digest)
        if saved is None:
            return
        state, self.best = saved.state, saved.best
        saved.restore(self.trained, self.optimiser)
        self.guard.restore(state.watchdog)
        self.out.steps = self.out.resumed_from = state.step
        while state.step > len(self.batches) and self._add_epochs(resumed=True):
            pass  # it had been given more epochs before it was killed
        self.out.tokens, self.out.best_step = state.tokens, state.best_step
        self.out.losses = list(state.losses)
        self.out.validation_losses = list(state.validation_losses)
        self.out.stop_reason = state.stop_reason
        self.tell(f"resumed from the checkpoint of step {self.out.steps}")


def validation_loss(learner: Learner, rows: Sequence[Example]) -> float:
    """Mean cross-entropy of the rows' targets, in nats; weights and smoothing left out."""
    import torch

    learner.model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    total, targets = 0.0, 0
    with torch.no_grad():
        for places in pack_batches(rows, order, MICRO_TOKENS):
            part = [Example(r.ids, r.start, r.label) for r in (rows[i] for i in places)]
            total += float(learner.loss(part, 0.0))
            targets += sum(row.targets for row in part)
    return total / max(targets, 1)


def _too_big(train: Train) -> TrainingError:
    return TrainingError(
        f"out of memory with batch_tokens {train.batch_tokens} and max_length {train.max_length}; "
        "halve `train.batch_tokens` or `train.max_length`, or use method lora"
    )
