"""Fewer bits per weight: 8 through Optimum and ONNX Runtime, 4 through ONNX Runtime GenAI."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from tidemill.compression import Conversations, Resolve
from tidemill.compression.model_folder import check_full_weights
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.progress import Progress
from tidemill.spec.base import Frozen

VERSION = 1
KIND = "int8"


class Options(Frozen):
    """Options of `type: quantise`."""

    bits: Literal[4, 8] = 8
    """8: weights and activations; 4: weights in blocks, causal language models only."""
    scheme: Literal["auto", "dynamic", "blocks"] = "auto"
    """`dynamic`: one activation scale per tensor, measured at run time (Optimum, 8 bits); `blocks`:
    a scale per block of weights (GenAI). `auto` is dynamic for 8 bits and blocks for 4. On language
    models 8 bits in blocks keep far more of the answers than dynamic."""
    processor: Literal["auto", "avx2", "avx512", "avx512_vnni", "arm64"] = "auto"
    """Instruction set of `dynamic`; `auto` asks this machine. Write it out to get the same bytes on
    every machine."""
    per_channel: bool | Literal["auto"] = True
    """`dynamic`: a scale per output channel; `auto` makes both and keeps the one that agrees more
    with fp32 on the calibration rows."""
    block_size: Literal[16, 32, 64, 128] = 32
    """`blocks`: weights that share a scale; 16 keeps more quality at less speed."""
    accuracy_level: Literal[0, 1, 4] = 4
    """`blocks`: 4 multiplies in int8 (fastest), 1 in fp32; 4 picks other tokens on some models
    (onnxruntime#29849), which the equivalence check would show."""
    method: Literal["rtn", "k-quant"] = "rtn"
    """`blocks`: rounding to nearest, or llama.cpp's search for scales, slower to make and run."""
    head_bits: Literal[4, 8] = 4
    """`blocks` with 4 bits: bits of the output layer."""
    embeddings: bool = True
    """`blocks`: quantise the embedding too, which halves a small model's size."""

    @model_validator(mode="after")
    def _check_supported(self) -> Self:
        if self.bits == 4 and self.scheme == "dynamic":
            raise ValueError("scheme 'dynamic' has 8 bits only; use `scheme: blocks` for 4")
        return self

    @property
    def blocks(self) -> bool:
        """True where weights are quantised in blocks."""
        return self.scheme == "blocks" or self.bits == 4


def kind(options: Options) -> str:
    """int8 or int4."""
    return f"int{options.bits}"


def compress(
    source: Path,
    out: Path,
    options: Options,
    *,
    resolve: Resolve,  # noqa: ARG001 - whole weights need no base
    calibration: Conversations | None,
    say: Progress,
) -> None:
    """An ONNX folder that ONNX Runtime or GenAI serves; raises ArtefactError with the way out."""
    form = ModelForm.read(source)
    if form.form != "onnx":
        check_full_weights(source, "quantise")
    if options.blocks:
        _refuse(form, options)
        from tidemill.compression import int4_blocks

        int4_blocks.quantise(source, out, form, options, say)
    else:
        from tidemill.compression import dynamic_int8

        dynamic_int8.quantise(source, out, form, options, calibration, say)


def _refuse(form: ModelForm, options: Options) -> None:
    if form.task != "causal-lm":
        raise ArtefactError(
            f"{options.bits} bits in blocks are for causal language models; "
            "an encoder takes `{type: quantise, bits: 8}`"
        )
    if form.form == "onnx":
        raise ArtefactError("quantising in blocks starts from safetensors; drop the step before it")
