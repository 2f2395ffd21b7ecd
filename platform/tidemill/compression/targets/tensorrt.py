"""Data-centre TensorRT: an engine built on the very kind of GPU it will run on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.compression.bf16_export import fp16_graph
from tidemill.compression.engine_build import EngineBuild
from tidemill.compression.onnx_export import MODEL, export_onnx
from tidemill.content import hash_file
from tidemill.errors import ServiceError
from tidemill.form import ModelForm
from tidemill.progress import Progress
from tidemill.spec.compression import TensorRtTarget

KIND = "engine"


def build(source: Path, out: Path, target: TensorRtTarget, say: Progress) -> None:
    """The engine; raises ServiceError where the package or the right GPU is not here."""
    trt = _package()
    _right_gpu(target, _capability())
    export = export_onnx(source, out.parent, say)
    graph = export / MODEL
    form = replace(ModelForm.read(source), form="engine", precision=target.precision)
    with fp16_graph(graph, target.precision == "fp16", out.parent) as used:
        EngineBuild(trt, "tensorrt", target, say).run(used, form, out, hash_file(graph))


def _package() -> Any:
    try:
        import tensorrt
    except ImportError:
        raise ServiceError(
            "target 'tensorrt' needs NVIDIA's tensorrt package and the GPU it builds for: on that "
            "machine, pip install tensorrt from NVIDIA's own package index; "
            "for RTX GPUs, `runtime: tensorrt-rtx` builds without one"
        ) from None
    return tensorrt


def _capability() -> str | None:
    """`SM90` for compute capability 9.0; None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return f"SM{major}{minor}"


def _right_gpu(target: TensorRtTarget, here: str | None) -> None:
    capabilities = ", ".join(target.compute)
    if here is None:
        raise ServiceError(
            f"target 'tensorrt' builds on the GPU it is for ({capabilities}) and this machine has "
            "none; run the Compression there, or use `runtime: tensorrt-rtx`"
        )
    if target.compute != (here,):
        raise ServiceError(
            f"target 'tensorrt' is for {capabilities} and this machine's GPU is {here}; "
            "engines run on one compute capability only, so make it on a machine with that one"
        )
