"""Safety checks of model files: safetensors by their header, no pickles, no unpinned code."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, Literal, TypedDict

from tidemill.errors import ArtefactError, UnsafeFormat
from tidemill.form import ModelForm

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".joblib", ".npy")
_PRECISION: dict[str, Literal["fp32", "bf16", "fp16"]] = {
    "F32": "fp32", "BF16": "bf16", "F16": "fp16"
}  # fmt: skip
_MAX_HEADER = 100_000_000


class TensorInfo(TypedDict):
    """What a safetensors header says of one tensor."""

    dtype: str
    """`F32`, `BF16`, `I64` …"""
    shape: list[int]
    data_offsets: list[int]
    """First byte and the byte after the last one, counted from the end of the header."""


def header(path: Path) -> dict[str, TensorInfo]:
    """The tensors a safetensors file declares, by name; raises UnsafeFormat for anything else."""
    with path.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        raw = stream.read(length) if 2 <= length <= _MAX_HEADER else b""
    try:
        tensors = json.loads(raw)
    except ValueError:
        raise UnsafeFormat(
            f"{path}: is not a safetensors file, whatever its name says (a pickle?); it could run "
            "code when loaded. Convert the weights to safetensors where you trust them"
        ) from None
    tensors.pop("__metadata__", None)
    return dict(tensors)


def refuse_pickles(folder: Path) -> None:
    """Raise UnsafeFormat where the weights of a folder are only there as pickles."""
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if pickles:
        raise UnsafeFormat(
            f"{folder}: weights are in {', '.join(pickles)}, which can run code when loaded; "
            "convert them to safetensors where you trust them"
        )


def check_folder(folder: Path, *, trusted: bool) -> None:
    """Raise UnsafeFormat where a model folder holds what must not be loaded."""
    for path in sorted(folder.glob("*.safetensors")):
        header(path)
    config = _json(folder / "config.json")
    if not config:
        raise ArtefactError(f"{folder} has no config.json; name the folder of a transformers model")
    if "auto_map" in config and not trusted:
        raise UnsafeFormat(
            f"{folder}: config.json wants to run the repository's own Python (auto_map); "
            "allow it with `source: {type: hub, revision: <commit>, trust_remote_code: true}`, "
            "after reading that code"
        )


def form_of(folder: Path, task: Literal["causal-lm", "sequence-classification"]) -> ModelForm:
    """The form of a folder of safetensors, from its headers and configuration."""
    shapes: dict[str, TensorInfo] = {}
    for path in sorted(folder.glob("*.safetensors")):
        shapes |= header(path)
    kinds = {info["dtype"] for info in shapes.values()} & set(_PRECISION)
    config = _json(folder / "config.json")
    trained = any("SequenceClassification" in a for a in config.get("architectures") or ())
    names = config.get("id2label") or {} if trained else {}
    chat = (folder / "chat_template.jinja").exists()
    chat = chat or bool(_json(folder / "tokenizer_config.json").get("chat_template"))
    return ModelForm(
        form="safetensors",
        task=task,
        precision=_PRECISION[min(kinds)] if len(kinds) == 1 else "fp32",
        labels=tuple(names[key] for key in sorted(names, key=int)),
        chat=chat,
        parameters=sum(math.prod(info["shape"]) for info in shapes.values()),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ArtefactError(f"{path}: is not JSON ({error}); fetch the model again") from None
