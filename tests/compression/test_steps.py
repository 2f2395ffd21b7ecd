"""What the single steps do beyond the contract they share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tidemill.catalog import COMPRESSION
from tidemill.compression import onnx_export
from tidemill.compression.model_folder import NOTE
from tidemill.errors import ArtefactError, DataError
from tidemill.progress import no_progress
from tidemill.runtimes import open_runtime

Resolve = Callable[[str], Path]
ASKED = [[{"role": "user", "content": "where is my order"}]]


def compress(step: str, source: Path, out: Path, resolve: Resolve, **given: object) -> Path:
    options = COMPRESSION.options(step, given)
    COMPRESSION.load(step).compress(
        source, out, options, resolve=resolve, calibration=None, say=no_progress
    )
    return out


def test_merged_weights_answer_as_adapter_and_base_do(
    tiny_adapter: Path, tmp_path: Path, resolve: Resolve
) -> None:
    merged = compress("merge", tiny_adapter, tmp_path / "merged", resolve, precision="fp32")
    texts = [
        open_runtime(folder, resolve=resolve).answer(ASKED, max_tokens=8)[0].text
        for folder in (tiny_adapter, merged, resolve(""))
    ]

    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_pruning_reaches_the_sparsity_and_spares_embeddings(
    scope: str, tiny_llm: Path, tmp_path: Path, resolve: Resolve
) -> None:
    from safetensors.torch import load_file

    out = compress("prune", tiny_llm, tmp_path / "out", resolve, sparsity=0.4, scope=scope)
    tensors = load_file(out / "model.safetensors")

    assert json.loads((out / NOTE).read_text())["achieved"] == pytest.approx(0.4, abs=0.01)
    assert (tensors["model.embed_tokens.weight"] == 0).float().mean() < 0.01


def test_pruning_removes_the_smallest_weights(
    tiny_llm: Path, tmp_path: Path, resolve: Resolve
) -> None:
    from safetensors.torch import load_file

    out = compress("prune", tiny_llm, tmp_path / "out", resolve, sparsity=0.3)
    name = "model.layers.0.mlp.up_proj.weight"
    before = load_file(tiny_llm / "model.safetensors")[name].abs()
    after = load_file(out / "model.safetensors")[name]

    assert before[after == 0].max() <= before[after != 0].min()


@pytest.mark.parametrize("step", ["prune", "quantise"])
def test_an_adapter_has_to_be_merged_first(
    step: str, tiny_adapter: Path, tmp_path: Path, resolve: Resolve
) -> None:
    with pytest.raises(ArtefactError, match="add a `merge` step before it"):
        compress(step, tiny_adapter, tmp_path / "out", resolve)

    assert not (tmp_path / "out").exists()


def test_four_bits_of_an_encoder_are_refused_with_the_way_out(
    tiny_classifier: Path, tmp_path: Path, resolve: Resolve
) -> None:
    with pytest.raises(ArtefactError, match="bits: 8"):
        compress("quantise", tiny_classifier, tmp_path / "out", resolve, bits=4)


def test_an_encoder_without_labels_is_not_exported(
    tiny_encoder: Path, tmp_path: Path, resolve: Resolve
) -> None:
    with pytest.raises(ArtefactError, match="no labels yet"):
        compress("quantise", tiny_encoder, tmp_path / "out", resolve)


def test_choosing_per_channel_by_agreement_needs_rows(
    tiny_llm: Path, tmp_path: Path, resolve: Resolve
) -> None:
    with pytest.raises(DataError, match="calibration"):
        compress("quantise", tiny_llm, tmp_path / "out", resolve, per_channel="auto")


def test_dynamic_quantisation_has_eight_bits_only() -> None:
    with pytest.raises(ValidationError, match="scheme: blocks"):
        COMPRESSION.options("quantise", {"bits": 4, "scheme": "dynamic"})


def test_the_export_is_made_once_for_one_source(tiny_llm: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def say(message: str, *, done: float | None = None, total: float | None = None) -> None:
        said.append(message)

    first = onnx_export.export_onnx(tiny_llm, tmp_path, say)
    second = onnx_export.export_onnx(tiny_llm, tmp_path, say)

    assert first == second
    assert said == ["exporting to ONNX"]
    assert not list(first.parent.glob(".making-*"))
