"""Encodes a conversation as tokens, identically in training and serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Messages = Sequence[Mapping[str, str]]
"""One conversation: mappings with `role` and `content`."""


def render(tokenizer: Any, messages: Messages) -> str:
    """The prompt as text, up to where the model's answer starts.

    A tokenizer without a chat template gets the contents as paragraphs.
    """
    if tokenizer.chat_template:
        turns = [dict(message) for message in messages]
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    return "\n\n".join(message["content"] for message in messages) + "\n"


def encode(tokenizer: Any, messages: Messages) -> list[int]:
    """The prompt as token ids; special tokens come from the chat template where there is one."""
    text = render(tokenizer, messages)
    own = not tokenizer.chat_template
    return list(tokenizer(text, add_special_tokens=own)["input_ids"])


def completion(tokenizer: Any, text: str) -> list[int]:
    """The wanted answer as token ids, closed by the token that ends a turn."""
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return [*ids, tokenizer.eos_token_id]
