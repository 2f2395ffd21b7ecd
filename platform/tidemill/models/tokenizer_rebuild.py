"""A byte-level BPE tokenizer rebuilt from the parts a GGUF file holds.

The tokenizer that transformers makes of such a file prepends a BOS the model does not use and keeps
SentencePiece leftovers in its decoder; a model fine-tuned with it answers nothing useful. Built
from vocabulary, merges and special tokens it is the one the model was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from tidemill.errors import ArtefactError

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML as it is written; unlike many models' own template it invents no system message."""

_CONTROL = 3
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_KINDS = ("default", "gpt-2", "smollm", "qwen2")


GgufTokenizer = TypedDict(
    "GgufTokenizer",
    {
        "tokenizer.ggml.model": str,
        "tokenizer.ggml.pre": str,
        "tokenizer.ggml.tokens": list[str],
        "tokenizer.ggml.token_type": list[int],
        "tokenizer.ggml.merges": list[str],
        "tokenizer.ggml.bos_token_id": int,
        "tokenizer.ggml.eos_token_id": int,
        "tokenizer.ggml.unknown_token_id": int,
        "tokenizer.ggml.padding_token_id": int,
        "tokenizer.chat_template": str,
    },
    total=False,
)
"""The `tokenizer.*` fields of a GGUF file that are read here."""


def rebuild(fields: GgufTokenizer) -> Any:
    """A transformers fast tokenizer from the `tokenizer.*` fields of a GGUF file.

    No automatic BOS or EOS, a pad token always set. Raises ArtefactError for a vocabulary that is
    not byte-level BPE or is cut into words in a way not known here.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import GPT2TokenizerFast

    kind = fields.get("tokenizer.ggml.pre", "default")
    if fields.get("tokenizer.ggml.model") != "gpt2" or kind not in _KINDS:
        raise ArtefactError(
            f"this GGUF's tokenizer ({fields.get('tokenizer.ggml.model')}, {kind}) is not one of "
            f"the byte-level BPE kinds {', '.join(_KINDS)}; use the model's safetensors form"
        )
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ", 1)) for pair in fields["tokenizer.ggml.merges"]]
    raw = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    raw.pre_tokenizer = _words(kind)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, type_ in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True)
            if type_ == _CONTROL
        ]
    )
    return GPT2TokenizerFast(
        tokenizer_object=raw,
        chat_template=_template(fields.get("tokenizer.chat_template")),
        clean_up_tokenization_spaces=False,
        model_max_length=int(1e9),
        **_special_tokens(fields, tokens),
    )


def _words(kind: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    if kind == "qwen2":
        split = pre_tokenizers.Split(Regex(_QWEN), behavior="isolated")
        plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([split, plain])
    return byte_level


def _template(given: str | None) -> str | None:
    return CHATML if given and "<|im_start|>" in given else given


def _special_tokens(fields: GgufTokenizer, tokens: Sequence[str]) -> dict[str, str | None]:
    end = _token(tokens, fields.get("tokenizer.ggml.eos_token_id"), None)
    return {
        "bos_token": _token(tokens, fields.get("tokenizer.ggml.bos_token_id"), end),
        "eos_token": end,
        "unk_token": _token(tokens, fields.get("tokenizer.ggml.unknown_token_id"), end),
        "pad_token": _token(tokens, fields.get("tokenizer.ggml.padding_token_id"), end),
    }


def _token(tokens: Sequence[str], number: int | None, otherwise: str | None) -> str | None:
    return otherwise if number is None else tokens[number]
