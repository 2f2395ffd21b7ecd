"""Programs of every technique, and an encoder whose vectors are easy to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tidemill.prompts import PromptProgram
from tidemill.spec.prompt import LabelOutput, TextOutput

WORDS = ("card", "refund", "order", "late", "lost")
EXAMPLES = tuple(
    {"text": text, "intent": intent, "reply": reply, "why": f"it speaks of {intent}"}
    for text, intent, reply in (
        ("my card is lost", "card", "We block it."),
        ("my order is late", "order", "It is on its way."),
        ("I want a refund", "refund", "It takes three days."),
        ("the card was swallowed", "card", "We send a new one."),
    )
)
ROW = {"id": "r1", "text": "my order is lost", "intent": "order", "reply": "We look for it."}


def encode(texts: list[str]) -> np.ndarray[Any, Any]:
    """Counts of a few words, as unit vectors."""
    counts = np.array([[text.count(word) for word in WORDS] + [0.01] for text in texts])
    unit: np.ndarray[Any, Any] = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    return unit.astype(np.float32)


@pytest.fixture
def program() -> Callable[..., PromptProgram]:
    """A program of a technique, with what that technique needs."""

    def make(technique: str, **more: Any) -> PromptProgram:
        given: dict[str, Any] = {
            "technique": technique,
            "template": "Customer: {{ text }}",
            "inputs": ("text",),
            "output": TextOutput(type="text", column="reply", label="intent"),
            "system": "You answer customers.",
            "labels": ("card", "order", "refund"),
        }
        if technique == "few-shot":
            given |= {"examples": EXAMPLES, "k": 2}
        if technique == "chain-of-thought":
            given |= {"examples": EXAMPLES, "k": 1, "reasoning": "why"}
        if technique == "contextual":
            passages = ("A lost order is sent again.", "A refund takes three days.")
            given |= {"passages": passages, "passages_k": 1, "encode": encode}
            given |= {"passage_embeddings": encode(list(passages))}
        return PromptProgram(**{**given, **more})

    return make


@pytest.fixture
def label_output() -> LabelOutput:
    return LabelOutput(type="label", column="intent")
