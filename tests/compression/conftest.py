"""Tiny models in every form that compression starts from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

LABELS = ("refund", "order", "goodbye")


@pytest.fixture(scope="session")
def tiny_adapter(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter on `tiny_llm` that changes its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_llm),
        LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
    )
    folder = tmp_path_factory.mktemp("tiny-adapter")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_llm).save_pretrained(folder)
    _form(folder, form="adapter", task="causal-lm", base="sha256:base", chat=True)
    return folder


@pytest.fixture(scope="session")
def tiny_classifier(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_encoder` with a head for three labels."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(2)
    names = dict(enumerate(LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_encoder, num_labels=3, id2label=names, label2id={v: k for k, v in names.items()}
    )
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    folder = tmp_path_factory.mktemp("tiny-classifier")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    _form(folder, form="safetensors", task="sequence-classification", labels=LABELS)
    return folder


@pytest.fixture(scope="session")
def resolve(tiny_llm: Path) -> Callable[[str], Path]:
    """Every digest is `tiny_llm`'s."""
    return lambda _digest: tiny_llm


def _form(folder: Path, **fields: object) -> None:
    known = {"precision": "fp32", "parameters": 1, **fields}
    (folder / "form.json").write_text(json.dumps(known))
