"""TensorRT for RTX: an engine built ahead of time, on a machine without a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tidemill.compression.bf16_export import fp16_graph
from tidemill.compression.engine_build import EngineBuild
from tidemill.compression.onnx_export import MODEL, export_onnx
from tidemill.content import hash_file
from tidemill.errors import MissingExtra
from tidemill.form import ModelForm
from tidemill.progress import Progress
from tidemill.spec.compression import TensorRtTarget

KIND = "engine"


def build(source: Path, out: Path, target: TensorRtTarget, say: Progress) -> None:
    """The engine for every compute capability the target names; it needs one of them to run."""
    trt = _package()
    export = export_onnx(source, out.parent, say)
    graph = export / MODEL
    form = replace(ModelForm.read(source), form="engine", precision=target.precision)
    with fp16_graph(graph, target.precision == "fp16", out.parent) as used:
        sha256 = hash_file(graph)
        EngineBuild(trt, "tensorrt-rtx", target, say).run(used, form, out, sha256)


def _package() -> Any:
    try:
        import tensorrt_rtx_libs  # noqa: F401 - puts the libraries where the bindings look
        import tensorrt_rtx_bindings as trt  # isort: skip
    except ImportError:
        raise MissingExtra("tensorrt-rtx-cu13-bindings", "tensorrt") from None
    return trt
