"""ONNX Runtime and GenAI answer as the weights they were made from, whole or in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tidemill.catalog import COMPRESSION
from tidemill.compression import targets
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.progress import no_progress
from tidemill.runtimes import Runtime, open_runtime
from tidemill.spec.compression import OnnxRuntimeTarget

ASKED = [
    [{"role": "user", "content": text}]
    for text in ("hi", "where is my order", "I want to return a lamp, größe 3 🙂", "refund")
]


@pytest.fixture(scope="module")
def forms(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny model in each form that ONNX Runtime or GenAI serves."""
    place = tmp_path_factory.mktemp("forms")
    target = OnnxRuntimeTarget(runtime="onnxruntime")
    targets.load("onnxruntime").build(tiny_llm, place / "fp32", target, no_progress)
    for name, given in (("int8", {"bits": 8}), ("int4", {"bits": 4})):
        COMPRESSION.load("quantise").compress(
            tiny_llm,
            place / name,
            COMPRESSION.options("quantise", given),
            resolve=lambda _digest: tiny_llm,
            calibration=None,
            say=no_progress,
        )
    return {name: place / name for name in ("fp32", "int8", "int4")}


@pytest.fixture(params=["fp32", "int8", "int4"])
def runtime(request: pytest.FixtureRequest, forms: dict[str, Path]) -> Iterator[Runtime]:
    opened = open_runtime(forms[request.param], resolve=lambda _digest: Path())
    yield opened
    opened.close()


def test_a_batch_in_fp32_answers_as_the_weights_do(tiny_llm: Path, forms: dict[str, Path]) -> None:
    weights = open_runtime(tiny_llm, resolve=lambda _digest: Path())
    graph = open_runtime(forms["fp32"], resolve=lambda _digest: Path())
    wanted = [reply.text for reply in weights.answer(ASKED, max_tokens=12)]

    assert [reply.text for reply in graph.answer(ASKED, max_tokens=12)] == wanted


def test_an_answer_does_not_depend_on_its_neighbours(runtime: Runtime) -> None:
    together = [reply.text for reply in runtime.answer(ASKED, max_tokens=8)]

    assert together == [runtime.answer([one], max_tokens=8)[0].text for one in ASKED]


def test_pieces_add_up_to_the_answer_and_its_counts_follow(runtime: Runtime) -> None:
    for messages in ASKED:
        (whole,) = runtime.answer([messages], max_tokens=10)

        *pieces, reply = runtime.stream(messages, max_tokens=10)

        assert "".join(map(str, pieces)) == whole.text
        assert reply == replace(whole, seconds=reply.seconds)


def test_tokens_are_counted_and_the_limit_is_kept(runtime: Runtime) -> None:
    reply = runtime.answer(ASKED[:1], max_tokens=3)[0]

    assert 0 < reply.tokens_in < 64
    assert reply.tokens_out == 3 if reply.finish == "length" else reply.tokens_out < 3
    assert reply.seconds > 0


def test_a_stop_string_ends_the_answer_and_is_not_shown(runtime: Runtime) -> None:
    whole = runtime.answer(ASKED[1:2], max_tokens=10)[0].text
    mark = whole[3:5]
    reply = runtime.answer(ASKED[1:2], max_tokens=10, stop=[mark])[0]

    assert reply.text == whole[: whole.find(mark)]
    assert reply.finish == "stop"
    *pieces, streamed = runtime.stream(ASKED[1], max_tokens=10, stop=[mark])
    assert "".join(map(str, pieces)) == streamed.text == reply.text
    assert (streamed.tokens_in, streamed.finish) == (reply.tokens_in, "stop")
    assert 0 < streamed.tokens_out <= reply.tokens_out


def test_a_prompt_that_does_not_fit_is_a_message(runtime: Runtime) -> None:
    with pytest.raises(ArtefactError, match="shorten the prompt or lower max_tokens"):
        runtime.answer([[{"role": "user", "content": "order " * 400}]], max_tokens=8)


def test_a_language_model_classifies_nothing(runtime: Runtime) -> None:
    with pytest.raises(ArtefactError, match="a classifier"):
        runtime.classify(["refund"])


def test_no_conversations_give_no_replies(runtime: Runtime) -> None:
    assert runtime.answer([], max_tokens=4) == []


def test_a_broken_genai_folder_is_a_message(tmp_path: Path) -> None:
    ModelForm(form="genai", task="causal-lm", precision="int4").write(tmp_path)

    with pytest.raises(ArtefactError, match="GenAI cannot load it"):
        open_runtime(tmp_path, resolve=lambda _digest: tmp_path)


@pytest.fixture(scope="module")
def classifier(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(2)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=3)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    ModelForm(form="safetensors", task="sequence-classification", labels=("a", "b", "c")).write(
        folder
    )
    return folder


def test_an_exported_classifier_gives_the_same_probabilities(
    classifier: Path, tmp_path: Path
) -> None:
    target = OnnxRuntimeTarget(runtime="onnxruntime")
    targets.load("onnxruntime").build(classifier, tmp_path / "onnx", target, no_progress)
    texts = ["where is my order", "refund", "a much longer request about a lamp that came broken"]
    found = [
        open_runtime(folder, resolve=lambda _digest: Path()).classify(texts)
        for folder in (classifier, tmp_path / "onnx")
    ]

    assert [one.label for one in found[0]] == [one.label for one in found[1]]
    assert [one.probability for one in found[0]] == pytest.approx(
        [one.probability for one in found[1]], abs=1e-4
    )
