"""Batched generation answers as one conversation at a time would, in order, stopping where told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tidemill import chat
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import load, open_runtime
from tidemill.runtimes.stop_sequences import pieces
from tidemill.runtimes.transformers_causal import TransformersCausal

ASKED = ["where is my order", "refund", "I want to return a lamp and where is my order", "lamp"]


def conversation(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def runtime(tiny_llm: Path) -> Any:
    model = load.model(tiny_llm, ModelForm.read(tiny_llm), dict.__getitem__, precision="fp32")
    return TransformersCausal(ModelForm.read(tiny_llm), model, load.tokenizer(tiny_llm), batch=3)


def test_a_batch_answers_as_transformers_generate_does(runtime: Any, tiny_llm: Path) -> None:
    replies = runtime.answer([conversation(text) for text in ASKED], max_tokens=9)

    model = AutoModelForCausalLM.from_pretrained(tiny_llm, dtype=torch.float32)
    for text, reply in zip(ASKED, replies, strict=True):
        ids = torch.tensor([chat.encode(runtime.tokenizer, conversation(text))])
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=9, do_sample=False
        )[0, ids.shape[1] :]
        expected = runtime.tokenizer.decode(made, skip_special_tokens=True)
        assert reply.text == expected
        assert reply.tokens_in == ids.shape[1]
        assert reply.seconds > 0


def test_an_end_token_ends_one_row_and_not_the_others(runtime: Any) -> None:
    whole = runtime.answer([conversation(text) for text in ASKED], max_tokens=8)
    ids = [runtime.tokenizer(r.text, add_special_tokens=False)["input_ids"] for r in whole]
    ends, runtime._ends = runtime._ends, {ids[0][3]}
    try:
        cut = runtime.answer([conversation(text) for text in ASKED], max_tokens=8)
        alone = [runtime.answer([conversation(text)], max_tokens=8)[0] for text in ASKED]
    finally:
        runtime._ends = ends

    assert cut[0].finish == "stop"
    assert cut[0].tokens_out <= 3
    assert [r.text for r in cut] == [r.text for r in alone]
    assert [r.finish for r in cut] == [r.finish for r in alone]


def test_streamed_pieces_add_up_to_the_answer_and_its_counts_follow(runtime: Any) -> None:
    (reply,) = runtime.answer([conversation(ASKED[0])], max_tokens=12)

    *found, streamed = runtime.stream(conversation(ASKED[0]), max_tokens=12)

    assert "".join(found) == reply.text
    assert streamed == replace(reply, seconds=streamed.seconds)


def test_a_stop_string_ends_the_answer_and_is_not_shown(runtime: Any) -> None:
    (whole,) = runtime.answer([conversation(ASKED[0])], max_tokens=12)
    mark = whole.text[5:7]

    (reply,) = runtime.answer([conversation(ASKED[0])], max_tokens=12, stop=[mark])
    *found, streamed = runtime.stream(conversation(ASKED[0]), max_tokens=12, stop=[mark])

    assert reply.text == "".join(found) == streamed.text == whole.text[: whole.text.index(mark)]
    assert reply.finish == streamed.finish == "stop"


def test_half_a_stop_string_is_held_back_until_it_is_none() -> None:
    grown = iter(["a", "a\n", "a\nU", "a\nUs", "a\nUse", "a\nUser", "a\nUsers"])

    assert list(pieces(grown, ["\nUser:"])) == ["a", "\nUsers"]


def test_half_a_character_is_held_back() -> None:
    assert list(pieces(iter(["caf", "caf\ufffd", "café"]), [])) == ["caf", "é"]


def test_a_prompt_beyond_the_model_is_refused(runtime: Any) -> None:
    with pytest.raises(ArtefactError, match="exceed the model's 256; shorten the prompt"):
        runtime.answer([conversation("lamp " * 400)], max_tokens=8)


def test_a_causal_model_does_not_classify(tiny_llm: Path) -> None:
    runtime = open_runtime(tiny_llm, resolve=Path)

    with pytest.raises(ArtefactError, match="'classify' needs a classifier"):
        runtime.classify(["a"])


def test_an_adapter_answers_as_base_and_adapter_together(tiny_llm: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(tiny_llm, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    adapted = get_peft_model(model, config).eval()
    adapted.save_pretrained(tmp_path)
    load.tokenizer(tiny_llm).save_pretrained(tmp_path)
    ModelForm("adapter", "causal-lm", base="sha256:base", chat=True).write(tmp_path)
    ids = torch.tensor([chat.encode(load.tokenizer(tiny_llm), conversation(ASKED[0]))])
    expected = adapted(ids).logits.argmax(-1)[0, -1]

    merged = load.model(tmp_path, ModelForm.read(tmp_path), {"sha256:base": tiny_llm}.__getitem__)

    assert merged(ids).logits.argmax(-1)[0, -1] == expected


def test_a_folder_without_a_form_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"has no form\.json: it is not a model artefact"):
        open_runtime(tmp_path, resolve=Path)


def test_an_engine_says_where_it_runs(tmp_path: Path) -> None:
    ModelForm("engine", "causal-lm").write(tmp_path)

    with pytest.raises(ArtefactError, match="runs on the NVIDIA GPU it was built for, not here"):
        open_runtime(tmp_path, resolve=Path)
