"""ONNX Runtime: forms it already runs pass as they are, whole weights are exported in fp32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tidemill.compression.model_folder import copy, write_note
from tidemill.compression.onnx_export import export_onnx
from tidemill.form import ModelForm
from tidemill.progress import Progress
from tidemill.spec.compression import OnnxRuntimeTarget

KIND = "onnx"


def is_runnable(source: Path) -> bool:
    """True where ONNX Runtime runs this form as it is."""
    return ModelForm.read(source).form in ("onnx", "genai")


def build(source: Path, out: Path, target: OnnxRuntimeTarget, say: Progress) -> None:
    """The fp32 export as an artefact of its own."""
    export = export_onnx(source, out.parent, say)
    copy(export, out, [p.name for p in sorted(export.iterdir()) if p.is_file()])
    write_note(out, "onnxruntime", {"device": target.device})
    replace(ModelForm.read(source), form="onnx", precision="fp32").write(out)
