"""Target runtimes of a compressed model: one file each, named as specs name it.

A target module has `build(source, out, target, say) -> None`: from the whole weights (or, for ONNX
Runtime, any ONNX form) in `source` to a finished folder in `out`, `form.json` included.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def load(runtime: str) -> ModuleType:
    """The target's module; nothing heavy is imported."""
    return import_module(f"tidemill.compression.targets.{runtime.replace('-', '_')}")
