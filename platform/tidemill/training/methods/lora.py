"""Low-rank adapters beside frozen weights (Hu et al. 2021, arXiv:2106.09685), through peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tidemill.errors import MissingExtra, TrainingError
from tidemill.spec.base import Frozen
from tidemill.spec.finetune import Train

VERSION = 1
FORM = "adapter"


class Options(Frozen):
    """Options of `method: lora`."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank of the update."""
    alpha: float | None = Field(default=None, gt=0)
    """Scale of the update, divided by r; twice r without it."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers that get an adapter; all of them (but the head) when empty."""
    layers: int | None = Field(default=None, ge=1)
    """Adapt only this many layers at the top. Those below stay frozen and are run once per row, not
    once per epoch: with a quarter of the layers an epoch takes about a quarter of the time."""
    rank_stabilised: bool = False
    """Divide alpha by the square root of r (rsLoRA): better for large r."""


def prepare(
    model: Any,
    options: Options,
    train: Train,
    task: Literal["causal-lm", "sequence-classification"],
) -> Any:
    """The base with adapters; only they (and a classifier's new head) are trained, in fp32."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise MissingExtra("peft", "train") from None
    names, count = _linear_names(model), int(model.config.num_hidden_layers)
    unknown = sorted(set(options.targets) - set(names))
    if unknown:
        raise TrainingError(
            f"options.targets: the base has no linear layer called {', '.join(unknown)}; "
            f"there are: {', '.join(names)}"
        )
    top = None if options.layers is None else list(range(max(0, count - options.layers), count))
    config = LoraConfig(
        r=options.r,
        lora_alpha=options.alpha if options.alpha is not None else 2 * options.r,
        lora_dropout=train.dropout,
        target_modules=sorted(options.targets or names),
        layers_to_transform=top,
        use_rslora=options.rank_stabilised,
        task_type="CAUSAL_LM" if task == "causal-lm" else "SEQ_CLS",
    )
    return get_peft_model(model, config)


def save(model: Any, folder: Path) -> None:
    """The adapter's safetensors and configuration, without the path of this machine's base."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = ""
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)


def _linear_names(model: Any) -> list[str]:
    """Last names of the linear layers inside the repeated layers, e.g. `q_proj`, sorted."""
    import torch

    return sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and any(p.isdigit() for p in name.split("."))
        }
    )
