"""Checkpoints: tensors as safetensors, the rest as JSON, each a folder that appears at once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.errors import StorageError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

_PREFIX = "step-"


@dataclass(frozen=True)
class RunState:
    """How far a run is; `state.json` of its checkpoint."""

    digest: str
    """Digest over all inputs of the run."""
    step: int
    tokens: int
    losses: Sequence[tuple[int, float]]
    validation_losses: Sequence[tuple[int, float]]
    best_step: int
    watchdog: Sequence[float]
    """The watchdog's smoothed, best and first loss."""
    stop_reason: str

    @classmethod
    def read(cls, path: Path) -> RunState:
        """From its file; raises OSError, ValueError or KeyError where that is damaged."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            digest=str(raw["digest"]),
            step=int(raw["step"]),
            tokens=int(raw["tokens"]),
            losses=[(int(step), float(loss)) for step, loss in raw["losses"]],
            validation_losses=[(int(step), float(loss)) for step, loss in raw["looks"]],
            best_step=int(raw["best_step"]),
            watchdog=[float(value) for value in raw["guard"]],
            stop_reason=str(raw["stopped"]),
        )

    def write(self, path: Path) -> None:
        """As a file, and wait until the disk has it."""
        raw = {
            "digest": self.digest, "step": self.step, "tokens": self.tokens,
            "losses": self.losses, "looks": self.validation_losses, "best_step": self.best_step,
            "guard": self.watchdog, "stopped": self.stop_reason,
        }  # fmt: skip
        with path.open("w", encoding="utf-8") as file:
            json.dump(raw, file)
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class Checkpoint:
    """A run at one step; tensors by the name of their parameter."""

    state: RunState
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    """The optimiser's moments, by `parameter/moment`."""
    best: Mapping[str, Tensor]
    """The weights with the lowest validation loss so far; empty before the first look."""

    def restore(self, trained: Mapping[str, Tensor], optimiser: Optimizer) -> None:
        """Set the trained weights and the optimiser's moments to those of the checkpoint."""
        import torch

        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(self.weights[name])
        for name, parameter in trained.items():
            moments = {
                key.removeprefix(f"{name}/"): value
                for key, value in self.optimiser.items()
                if key.startswith(f"{name}/")
            }
            if moments:
                optimiser.state[parameter] = moments


def save(
    folder: Path,
    state: RunState,
    trained: Mapping[str, Tensor],
    optimiser: Optimizer,
    best: Mapping[str, Tensor],
) -> None:
    """Write the checkpoint of `state.step`, then remove older ones."""
    from safetensors.torch import save_file

    checkpoint = folder / f"{_PREFIX}{state.step:08d}"
    work = folder / f".{checkpoint.name}.part"
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        save_file(
            {n: p.detach().contiguous() for n, p in trained.items()}, work / "weights.safetensors"
        )
        save_file(_moments(trained, optimiser), work / "optimiser.safetensors")
        _save_best(folder, work, best, state.best_step)
        state.write(work / "state.json")
        shutil.rmtree(checkpoint, ignore_errors=True)
        work.rename(checkpoint)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise StorageError(
            f"cannot write a checkpoint below {folder}: {error}; free some space, "
            "or raise `train.checkpoint_every`"
        ) from None
    for other in _checkpoint_folders(folder):
        if other != checkpoint:
            shutil.rmtree(other, ignore_errors=True)


def load(folder: Path, digest: str) -> Checkpoint | None:
    """The newest checkpoint of a run with this digest; others are removed."""
    for checkpoint in reversed(_checkpoint_folders(folder)):
        try:
            return _read(checkpoint, digest)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    clear(folder)
    return None


def clear(folder: Path) -> None:
    """Remove all checkpoints."""
    shutil.rmtree(folder, ignore_errors=True)


def _checkpoint_folders(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*"))


def _read(checkpoint: Path, digest: str) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state = RunState.read(checkpoint / "state.json")
    if state.digest != digest:
        raise ValueError("a checkpoint of other inputs")
    best = next(checkpoint.glob("best-*.safetensors"), None)
    try:
        return Checkpoint(
            state,
            load_file(checkpoint / "weights.safetensors"),
            load_file(checkpoint / "optimiser.safetensors"),
            load_file(best) if best else {},
        )
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _moments(trained: Mapping[str, Tensor], optimiser: Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value.contiguous()
        for name, parameter in trained.items()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _save_best(folder: Path, work: Path, best: Mapping[str, Tensor], step: int) -> None:
    """The best weights so far; linked from the last checkpoint where they are the same."""
    from safetensors.torch import save_file

    if not best:
        return
    name = f"best-{step}.safetensors"
    before = next(
        (
            checkpoint / name
            for checkpoint in _checkpoint_folders(folder)
            if (checkpoint / name).exists()
        ),
        None,
    )
    if before:
        try:
            (work / name).hardlink_to(before)
            return
        except OSError:
            pass  # a file system without links
    save_file({n: p.contiguous() for n, p in best.items()}, work / name)
