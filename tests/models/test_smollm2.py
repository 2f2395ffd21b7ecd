"""SmolLM2's rebuilt tokenizer gives the ids that the model was trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidemill import chat
from tidemill.content import hash_file
from tidemill.models import tokenizer_rebuild
from tidemill.models.gguf import _fields
from tidemill.models.wheel import extract
from tidemill.spec.model import Model

SPEC = Path(__file__).parents[2] / "specs/support-chat/model.yaml"

REFERENCE = {
    "Hello, world!": [19556, 28, 905, 17],
    "It costs 1234.50 EUR": [1589, 3499, 216, 33, 34, 35, 36, 30, 37, 32, 48007],
    "don't you've I'LL": [12420, 982, 346, 3543, 339, 23, 16421],
    "naïve café 東京 🙂": [3546, 46494, 37366, 17097, 247, 126, 16736, 122, 47526],
    "  two  spaces\n\n\tTab ": [216, 827, 216, 5600, 1116, 197, 30064, 216],
    "xxxxx       y": [31069, 104, 5013, 329],
    "a\u00a0b\r\nc": [81, 15442, 82, 201, 198, 83],
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    spec = Model.model_validate(yaml.safe_load(SPEC.read_text()))
    shared = os.environ.get("TIDEMILL_CACHE")
    cache = Path(shared) if shared else tmp_path_factory.mktemp("cache")
    path = extract(spec.source, cache, lambda message: None)
    assert hash_file(path) == spec.source.sha256
    return tokenizer_rebuild.rebuild(_fields(path))


@pytest.mark.parametrize("text", REFERENCE)
def test_token_ids_are_those_of_the_reference_and_decode_to_the_text(
    tokenizer: Any, text: str
) -> None:
    ids = tokenizer(text)["input_ids"]

    assert ids == REFERENCE[text]
    assert tokenizer.decode(ids) == text


def test_a_conversation_is_chatml_without_an_invented_system_message(tokenizer: Any) -> None:
    ids = chat.encode(tokenizer, [{"role": "user", "content": "Where is my order?"}])

    assert ids == [1, 4093, 198, 9576, 314, 957, 1686, 47, 2, 198, 1, 520, 9531, 198]


def test_an_answer_ends_with_the_token_that_ends_a_turn(tokenizer: Any) -> None:
    assert chat.completion(tokenizer, "refund")[-1] == tokenizer.eos_token_id == 2


def test_special_tokens_survive_saving(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)

    assert again("a<|im_end|>")["input_ids"] == tokenizer("a<|im_end|>")["input_ids"]
    assert (again.pad_token, again.eos_token) == ("<|im_end|>", "<|im_end|>")
    assert again.chat_template == tokenizer.chat_template
