"""The watchdog: stops a run whose loss runs away or stops being a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidemill.errors import Diverged
from tidemill.spec.finetune import Watchdog

if TYPE_CHECKING:
    from tidemill.training.loop import TrainingJob

_MEMORY = 0.8
_FLOOR = 0.1
"""A loss below this share of the first one is good; its noise must not look like a runaway."""


class LossWatchdog:
    """Follows the loss, smoothed over some five steps."""

    def __init__(self, rules: Watchdog) -> None:
        self.rules = rules
        self.smooth = self.best = self.first = math.nan

    def update(self, step: int, loss: float, job: TrainingJob) -> None:
        """Take in the loss of a step; raises Diverged."""
        if not math.isfinite(loss):
            raise self._divergence(step, loss, job, "is not a number any more")
        started = not math.isnan(self.smooth)
        self.smooth = _MEMORY * self.smooth + (1 - _MEMORY) * loss if started else loss
        self.first = self.first if started else loss
        limit = self.rules.max_ratio * max(self.best, _FLOOR * self.first)
        if started and step > self.rules.after_steps and self.smooth > limit:
            raise self._divergence(
                step, loss, job,
                f"is {self.smooth:.3f} smoothed, over {self.rules.max_ratio:g} times its best, "
                f"{self.best:.3f}",
            )  # fmt: skip
        self.best = min(self.best, self.smooth) if started else self.smooth

    def state(self) -> list[float]:
        """For a checkpoint."""
        return [self.smooth, self.best, self.first]

    def restore(self, state: Sequence[float]) -> None:
        """From a checkpoint."""
        self.smooth, self.best, self.first = map(float, state)

    def _divergence(self, step: int, loss: float, job: TrainingJob, why: str) -> Diverged:
        rate = job.train.learning_rate
        return Diverged(
            f"training diverged at step {step}: the loss ({loss:.3f}) {why}; try "
            f"`train.learning_rate: {rate / 3:.1e}` (it was {rate:.1e}), a longer "
            "`train.warmup_ratio`, or look for broken rows with `tidemill data show`"
        )
