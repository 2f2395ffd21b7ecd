"""Engines are built for what the spec names, and say plainly what they need."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tidemill.compression import onnx_export, targets
from tidemill.compression.bf16_export import fp16_graph
from tidemill.compression.engine_build import profile_shapes
from tidemill.compression.targets.tensorrt import _right_gpu
from tidemill.content import hash_file
from tidemill.errors import ArtefactError, ServiceError
from tidemill.form import ModelForm
from tidemill.progress import no_progress
from tidemill.runtimes import open_runtime
from tidemill.spec.compression import TensorRtTarget


def target(**fields: object) -> TensorRtTarget:
    known = {"runtime": "tensorrt-rtx", "compute": ["SM89"], "max_length": 128}
    return TensorRtTarget.model_validate({**known, **fields})


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None, reason="tensorrt extra is missing"
)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_is_built_without_a_gpu(precision: str, tiny_llm: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "engine", []
    wanted = target(compute=["SM86", "SM89"], precision=precision)

    def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
        said.append(message)

    targets.load("tensorrt-rtx").build(tiny_llm, out, wanted, say)
    sidecar = json.loads((out / "engine.json").read_text())
    export = onnx_export.export_onnx(tiny_llm, tmp_path, no_progress)

    assert sidecar["compute"] == ["SM86", "SM89"]
    assert sidecar["engine_sha256"] == hash_file(out / "model.engine")
    assert sidecar["source_onnx_sha256"] == hash_file(export / "model.onnx")
    assert sidecar["profile"]["past_key_values.0.key"] == [[1, 1, 0, 32], [1, 1, 64, 32],
                                                           [1, 1, 127, 32]]  # fmt: skip
    assert ModelForm.read(out).form == "engine"
    assert any("tensorrt-rtx" in line for line in said)


def test_an_engine_says_where_it_runs_instead_of_failing(tiny_llm: Path, tmp_path: Path) -> None:
    ModelForm(form="engine", task="causal-lm").write(tmp_path)

    with pytest.raises(ArtefactError, match="runs on the NVIDIA GPU it was built for"):
        open_runtime(tmp_path, resolve=lambda _digest: tiny_llm)


def test_a_classifier_gets_shapes_without_a_cache() -> None:
    shapes = profile_shapes(
        [("input_ids", (-1, -1)), ("attention_mask", (-1, -1))], target(max_batch=8)
    )

    assert shapes["input_ids"] == ((1, 1), (1, 65), (8, 128))


def test_fixed_inputs_need_no_shapes() -> None:
    assert profile_shapes([("scale", (1, 4))], target()) == {}


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is not None, reason="the data-centre package is here"
)
def test_the_data_centre_package_is_asked_for_plainly(tiny_llm: Path, tmp_path: Path) -> None:
    wanted = target(runtime="tensorrt", compute=["SM90"])

    with pytest.raises(ServiceError, match="pip install tensorrt from NVIDIA's own package index"):
        targets.load("tensorrt").build(tiny_llm, tmp_path / "out", wanted, no_progress)


@pytest.mark.parametrize(("here", "said"), [(None, "has none"), ("SM80", "GPU is SM80")])
def test_the_data_centre_target_wants_its_own_gpu(here: str | None, said: str) -> None:
    with pytest.raises(ServiceError, match=said):
        _right_gpu(target(runtime="tensorrt", compute=["SM90"]), here)


def test_the_data_centre_target_takes_its_own_gpu() -> None:
    _right_gpu(target(runtime="tensorrt", compute=["SM90"]), "SM90")


def test_half_precision_keeps_the_likeliest_tokens(tiny_llm: Path, tmp_path: Path) -> None:
    from tidemill.compression.dynamic_int8 import _next_tokens

    graph = onnx_export.export_onnx(tiny_llm, tmp_path, no_progress) / "model.onnx"
    rows = [[5, 9, 44, 100, 7, 8], [77, 3, 150]]
    with fp16_graph(graph, True, tmp_path) as half:
        smaller = half.stat().st_size
        given = _next_tokens(half, rows)

    assert given == _next_tokens(graph, rows)
    assert smaller < 0.7 * graph.stat().st_size
    assert not half.exists()


def test_the_onnx_target_answers_as_the_weights_do(tiny_llm: Path, tmp_path: Path) -> None:
    from tidemill.spec.compression import OnnxRuntimeTarget

    out = tmp_path / "onnx"
    module = targets.load("onnxruntime")
    module.build(tiny_llm, out, OnnxRuntimeTarget(runtime="onnxruntime"), no_progress)

    assert not module.is_runnable(tiny_llm)
    assert module.is_runnable(out)
    assert ModelForm.read(out).precision == "fp32"
