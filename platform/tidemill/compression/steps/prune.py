"""Magnitude pruning: the smallest weights of the linear layers become zero."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tidemill.compression import Conversations, Resolve
from tidemill.compression.model_folder import NOTE, check_full_weights, copy, write_note
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import FORM
from tidemill.progress import Progress
from tidemill.spec.base import Frozen

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
KIND = "pruned"
_EMBEDDINGS = ("embed", "wte", "wpe")
_HEADS = ("lm_head", "classifier", "score", "pooler", "embed_out")


class Options(Frozen):
    """Options of `type: prune`."""

    sparsity: float = Field(default=0.3, gt=0, lt=1)
    """Share of the weights that become zero."""
    scope: Literal["layer", "global"] = "layer"
    """`layer`: this share of every matrix; `global`: of all of them together, wherever the smallest
    weights are."""
    embeddings: bool = False
    """Prune embeddings too."""
    head: bool = False
    """Prune the output layer too (with tied weights that is the embedding)."""


def compress(
    source: Path,
    out: Path,
    options: Options,
    *,
    resolve: Resolve,  # noqa: ARG001 - whole weights need no base
    calibration: Conversations | None,  # noqa: ARG001 - magnitudes need no rows
    say: Progress,
) -> None:
    """Write the same safetensors with zeros in them; reports the sparsity that was reached."""
    form = check_full_weights(source, "prune")
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise ArtefactError(f"{source}: there are no safetensors in it; build it again")
    say(f"pruning {options.sparsity:.0%} of the weights")
    threshold = _global_threshold(files, options) if options.scope == "global" else None
    out.mkdir(parents=True)
    zeros = total = 0
    for index, file in enumerate(files):
        tensors, metadata = _load(file)
        for name in [name for name in tensors if _is_prunable(name, tensors[name], options)]:
            tensors[name] = _mask(tensors[name], options.sparsity, threshold)
            zeros += int((tensors[name] == 0).sum())
            total += tensors[name].numel()
        _store(tensors, out / file.name, metadata)
        say("pruning", done=index + 1, total=len(files))
    if not total:
        raise ArtefactError(
            f"{source}: no matrix in it can be pruned with these options; name other layers"
        )
    say(f"{zeros / total:.1%} of {total:,} weights are zero")
    copy(source, out, [p.name for p in sorted(source.iterdir()) if p.name not in (NOTE, FORM)])
    write_note(out, "prune", {**options.model_dump(), "achieved": zeros / total, "weights": total})
    form.write(out)


def _is_prunable(name: str, tensor: Tensor, options: Options) -> bool:
    embedding = any(part in name for part in _EMBEDDINGS)
    head = any(part in name for part in _HEADS)
    if tensor.dim() != 2 or not tensor.is_floating_point():
        return False
    return (options.embeddings or not embedding) and (options.head or not head)


def _mask(tensor: Tensor, sparsity: float, threshold: float | None) -> Tensor:
    import torch

    size = tensor.abs().float()
    if threshold is not None:
        return torch.where(size <= threshold, torch.zeros_like(tensor), tensor)
    count = int(size.numel() * sparsity)
    if not count:
        return tensor
    smallest = size.flatten().argsort(stable=True)[:count]
    return tensor.flatten().index_fill(0, smallest, 0).reshape(tensor.shape)


def _global_threshold(files: list[Path], options: Options) -> float:
    import torch

    sizes = [
        tensor.abs().float().flatten()
        for file in files
        for name, tensor in _load(file)[0].items()
        if _is_prunable(name, tensor, options)
    ]
    if not sizes:
        return 0.0
    every = torch.cat(sizes)
    return float(every.kthvalue(max(1, int(every.numel() * options.sparsity))).values)


def _load(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        from safetensors import safe_open
    except ImportError:
        raise MissingExtra("safetensors", "train") from None
    with safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return tensors, dict(opened.metadata() or {})


def _store(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata=metadata)
