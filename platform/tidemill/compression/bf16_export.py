"""An fp32 ONNX graph in fp16, for engines: TensorRT takes number formats from the graph's types."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tidemill.compression.model_folder import silence_tools
from tidemill.errors import MissingExtra

_KEPT = ("Pow", "ReduceMean", "Sqrt", "Softmax", "Range", "Cos", "Sin")


@contextlib.contextmanager
def fp16_graph(graph: Path, wanted: bool, beside: Path) -> Iterator[Path]:
    """The graph itself, or a temporary fp16 copy; norms, softmax and angles stay in fp32."""
    if not wanted:
        yield graph
        return
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise MissingExtra(str(error.name), "compress") from None
    with tempfile.TemporaryDirectory(dir=beside, prefix=".half-") as folder:
        with silence_tools():
            model = convert_float_to_float16(
                onnx.load(graph), keep_io_types=True, op_block_list=[*_KEPT]
            )
        path = Path(folder) / graph.name
        onnx.save(model, path)
        yield path
