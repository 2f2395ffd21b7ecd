"""Checkpoints: tensors as safetensors, the rest as JSON, each a folder that appears at once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.errors import StorageError

_PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """A run at one step."""

    state: dict[str, Any]
    weights: dict[str, Any]
    optimiser: dict[str, Any]
    best: dict[str, Any]

    def restore(self, trained: Mapping[str, Any], optimiser: Any) -> None:
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
    state: Mapping[str, Any],
    trained: Mapping[str, Any],
    optimiser: Any,
    best: Mapping[str, Any],
    best_step: int,
) -> None:
    """Write the checkpoint of `state['step']`, then remove older ones."""
    from safetensors.torch import save_file

    checkpoint = folder / f"{_PREFIX}{state['step']:08d}"
    work = folder / f".{checkpoint.name}.part"
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        save_file(
            {n: p.detach().contiguous() for n, p in trained.items()}, work / "weights.safetensors"
        )
        save_file(_moments(trained, optimiser), work / "optimiser.safetensors")
        _save_best(folder, work, best, best_step)
        with (work / "state.json").open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
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


def _read(place: Path, digest: str) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state = json.loads((place / "state.json").read_text(encoding="utf-8"))
    if state["digest"] != digest:
        raise ValueError("a checkpoint of other inputs")
    best = next(place.glob("best-*.safetensors"), None)
    try:
        return Checkpoint(
            state,
            load_file(place / "weights.safetensors"),
            load_file(place / "optimiser.safetensors"),
            load_file(best) if best else {},
        )
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _moments(trained: Mapping[str, Any], optimiser: Any) -> dict[str, Any]:
    return {
        f"{name}/{key}": value.contiguous()
        for name, parameter in trained.items()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _save_best(folder: Path, work: Path, best: Mapping[str, Any], step: int) -> None:
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
