"""Sentence embeddings: mean of an encoder's last layer over the tokens, length one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.runtimes import load

MAX_LENGTH = 256
BATCH = 64


class Encoder:
    """Embeds sentences with a MiniLM-like encoder (mean pooling, as sentence-transformers does)."""

    def __init__(self, folder: Path) -> None:
        torch = machine.configure_torch()
        from transformers import AutoModel

        self.tokenizer = load.tokenizer(folder)
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    @property
    def size(self) -> int:
        """Numbers in one embedding."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> Any:
        """float32 array (n, size); rows have length one, so a dot product is the cosine."""
        import numpy as np

        out = np.zeros((len(texts), self.size), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            out[places] = self._embed([texts[i] for i in places])
        return out

    def _embed(self, texts: list[str]) -> Any:
        import torch

        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
        )
        with torch.inference_mode():
            hidden = self.model(**inputs).last_hidden_state
            return mean_normalised(hidden, inputs["attention_mask"]).numpy()


def mean_normalised(hidden: Any, mask: Any) -> Any:
    """The mean of hidden states (n, tokens, size) where mask (n, tokens) is 1, with length one."""
    import torch

    weights = mask.unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean, dim=-1)
