"""All weights of the base are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tidemill.errors import TrainingError
from tidemill.spec.base import Frozen
from tidemill.spec.finetune import Train

VERSION = 1
FORM = "safetensors"


class Options(Frozen):
    """Options of `method: full`."""

    layers: int | None = Field(default=None, ge=1)
    """Train only this many layers at the top (and the head); all weights without it."""


def prepare(
    model: Any,
    options: Options,
    train: Train,
    task: Literal["causal-lm", "sequence-classification"],
) -> Any:
    """The base in fp32, its weights unfrozen."""
    model.float().requires_grad_(True)
    _set_dropout(model, train.dropout)
    if options.layers is not None:
        _freeze_below(model, options.layers)
    return model


def save(model: Any, folder: Path) -> None:
    """The whole model as safetensors."""
    model.config._name_or_path = ""
    model.save_pretrained(folder, safe_serialization=True)


def _set_dropout(model: Any, rate: float) -> None:
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate


def _freeze_below(model: Any, top: int) -> None:
    backbone = getattr(model, model.base_model_prefix)
    layers = getattr(backbone, "layers", None)
    if layers is None:
        layers = getattr(getattr(backbone, "encoder", None), "layer", None)
    if layers is None:
        raise TrainingError(
            f"options.layers: a {model.config.model_type} model does not show its layers; "
            "leave `layers` out to train all weights"
        )
    backbone.requires_grad_(False)
    for layer in list(layers)[-top:]:
        layer.requires_grad_(True)
    for part in (getattr(backbone, "norm", None), getattr(backbone, "pooler", None)):
        if part is not None:
            part.requires_grad_(True)
