"""The loop learns, stops when it should, and says so."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training import killable

from tidemill.errors import Diverged
from tidemill.spec.finetune import EarlyStop, Train, Watchdog
from tidemill.training.causal import CausalLearner
from tidemill.training.examples import Example
from tidemill.training.loop import TrainingJob, _Run, run_training
from tidemill.training.optimiser import make_optimiser, rate_at
from tidemill.training.watchdog import LossWatchdog


def silent(message: str, **_: Any) -> None:
    """Says nothing."""


def job(**train: Any) -> TrainingJob:
    given = {"learning_rate": 1e-3, **train}
    return TrainingJob(Train(**given), None, Watchdog(), "x", Path("unused"))


def test_the_loss_goes_down_and_progress_tells_tokens_per_second(
    tiny_llm: Path, tmp_path: Path
) -> None:
    said: list[str] = []

    _, outcome = killable.train(tiny_llm, tmp_path, lambda message, **_: said.append(message))

    assert outcome.validation_losses[-1][1] < 0.9 * outcome.losses[0][1]
    assert "tokens/s" in said[0]


def test_the_same_seed_gives_the_same_weights(tiny_llm: Path, tmp_path: Path) -> None:
    first, _ = killable.train(tiny_llm, tmp_path / "1", silent)
    again, _ = killable.train(tiny_llm, tmp_path / "2", silent)
    other, _ = killable.train(
        tiny_llm, tmp_path / "3", silent, train=killable.TRAIN.model_copy(update={"seed": 8})
    )

    theirs = dict(again.named_parameters())
    assert all(torch.equal(p, theirs[n]) for n, p in first.named_parameters())
    others = dict(other.named_parameters())
    assert not all(torch.equal(p, others[n]) for n, p in first.named_parameters())


def test_early_stopping_keeps_the_best_weights(tiny_llm: Path, tmp_path: Path) -> None:
    model = killable.model(tiny_llm)
    learner = CausalLearner(model, pad=0, low=False)
    rows = killable.with_starts(killable.rows(8))
    opposite = [Example((*row.ids[: row.start], 90, 91, 92), start=row.start) for row in rows]
    train = Train(epochs=12, learning_rate=5e-3, batch_tokens=64, max_length=32)

    stopping = TrainingJob(train, EarlyStop(patience=2), Watchdog(max_ratio=100), "x", tmp_path)
    outcome = run_training(learner, rows, opposite, stopping, silent)

    losses = dict(outcome.validation_losses)
    assert "did not improve in 2 looks" in outcome.stop_reason
    assert outcome.steps < outcome.planned_steps
    assert losses[outcome.best_step] == min(losses.values())
    from tidemill.training.loop import validation_loss

    assert validation_loss(learner, opposite) == pytest.approx(min(losses.values()), rel=1e-4)


def learning(
    tiny_llm: Path, folder: Path, stop: EarlyStop, epochs: float = 2, steps: int | None = None
) -> Any:
    """A training whose validation rows are those it learns."""
    learner = CausalLearner(killable.model(tiny_llm), pad=0, low=False)
    rows = killable.with_starts(killable.rows(8))
    train = Train(
        epochs=epochs, max_steps=steps, learning_rate=1e-3, batch_tokens=64, max_length=32,
        checkpoint_every=1,
    )  # fmt: skip
    stopping = TrainingJob(train, stop, Watchdog(max_ratio=100), "x", folder)
    return run_training(learner, rows, rows, stopping, silent)


def test_where_the_last_look_is_the_best_training_goes_on_up_to_its_limit(
    tiny_llm: Path, tmp_path: Path
) -> None:
    short = learning(tiny_llm, tmp_path / "short", EarlyStop())
    longer = learning(tiny_llm, tmp_path / "longer", EarlyStop(max_epochs=4))
    capped = learning(tiny_llm, tmp_path / "capped", EarlyStop(max_epochs=4), steps=short.steps)

    assert short.still_improves
    assert longer.steps == longer.planned_steps == 2 * short.steps
    assert longer.best < short.best
    assert longer.losses[: short.steps] == short.losses
    assert capped.steps == short.steps


def test_training_that_learns_nothing_more_is_given_no_more_epochs(
    tiny_llm: Path, tmp_path: Path
) -> None:
    learner = CausalLearner(killable.model(tiny_llm), pad=0, low=False)
    rows = killable.with_starts(killable.rows(8))
    opposite = [Example((*row.ids[: row.start], 90, 91, 92), start=row.start) for row in rows]
    train = Train(epochs=12, learning_rate=5e-3, batch_tokens=64, max_length=32)
    stop = EarlyStop(patience=2, max_epochs=40)

    outcome = run_training(
        learner, rows, opposite, TrainingJob(train, stop, Watchdog(max_ratio=100), "x", tmp_path),
        silent,
    )  # fmt: skip

    assert not outcome.still_improves
    assert outcome.steps < outcome.planned_steps


def test_a_run_that_was_killed_in_its_added_epochs_goes_on_in_them(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learning(tiny_llm, tmp_path / "whole", EarlyStop(max_epochs=5))
    step = _Run._step

    def killed(run: _Run, places: list[int]) -> None:
        if run.out.steps == whole.steps - 1:
            raise KeyboardInterrupt
        step(run, places)

    monkeypatch.setattr(_Run, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        learning(tiny_llm, tmp_path / "killed", EarlyStop(max_epochs=5))
    monkeypatch.undo()
    resumed = learning(tiny_llm, tmp_path / "killed", EarlyStop(max_epochs=5))

    assert resumed.resumed_from == whole.steps - 1
    assert resumed.planned_steps == whole.planned_steps
    assert resumed.validation_losses == whole.validation_losses


def test_a_run_without_validation_rows_goes_to_its_end(tiny_llm: Path, tmp_path: Path) -> None:
    learner = CausalLearner(killable.model(tiny_llm), pad=0, low=False)
    rows = killable.with_starts(killable.rows(8))
    train = Train(epochs=1, batch_tokens=64, max_length=32)

    outcome = run_training(
        learner, rows, [], TrainingJob(train, EarlyStop(), Watchdog(), "x", tmp_path), silent
    )

    assert outcome.steps == outcome.planned_steps
    assert outcome.best is None


def test_the_watchdog_stops_a_run_that_runs_away(tiny_llm: Path, tmp_path: Path) -> None:
    wild = Train(epochs=50, learning_rate=30, warmup_ratio=0, batch_tokens=64, max_length=32)

    with pytest.raises(
        Diverged, match=r"training diverged at step \d+: .*try `train.learning_rate"
    ):
        killable.train(tiny_llm, tmp_path, silent, method="full", train=wild)


def test_the_watchdog_names_step_loss_and_way_out() -> None:
    guard = LossWatchdog(Watchdog(max_ratio=2, after_steps=0))
    for step in range(1, 6):
        guard.update(step, 1.0, job())

    with pytest.raises(Diverged) as caught:
        see_all(guard, [4.0] * 14, first=6)

    assert str(caught.value) == (
        "training diverged at step 7: the loss (4.000) is 2.080 smoothed, over 2 times its best, "
        "1.000; try `train.learning_rate: 3.3e-04` (it was 1.0e-03), a longer "
        "`train.warmup_ratio`, or look for broken rows with `tidemill data show`"
    )


def see_all(guard: LossWatchdog, losses: list[float], first: int = 1) -> None:
    for step, loss in enumerate(losses, start=first):
        guard.update(step, loss, job())


def test_a_loss_that_is_no_number_stops_at_once() -> None:
    with pytest.raises(Diverged, match="not a number any more"):
        LossWatchdog(Watchdog(after_steps=100)).update(1, math.nan, job())


def test_the_noise_of_a_very_low_loss_is_no_runaway() -> None:
    guard = LossWatchdog(Watchdog(max_ratio=3, after_steps=0))
    for step, loss in enumerate([4.0, 1.0, *[0.01] * 40, 0.08, 0.09, 0.1, 0.1], start=1):
        guard.update(step, loss, job())

    assert guard.best < 0.02


def test_the_rate_rises_then_falls_to_nothing() -> None:
    train = Train(learning_rate=1.0, warmup_ratio=0.1, scheduler="cosine")

    rates = [rate_at(step, 100, train) for step in range(100)]

    assert rates[0] < rates[5] < rates[10] == 1.0
    assert rates[99] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_norms_and_biases_are_not_decayed() -> None:
    trained = {"w": torch.nn.Parameter(torch.ones(2, 2)), "b": torch.nn.Parameter(torch.ones(2))}

    groups = make_optimiser(trained, Train(weight_decay=0.1)).param_groups

    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.1), (1, 0.0)]
