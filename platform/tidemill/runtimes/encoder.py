"""Encoder classifiers in PyTorch: batches of like length, softmax over the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import Resolve, load
from tidemill.runtimes.classifier import Classifier

BATCH = 64


def open(folder: Path, form: ModelForm, resolve: Resolve) -> TorchEncoder:  # noqa: A001
    """Load the classifier; raises ArtefactError for an encoder that was never taught labels."""
    if not form.labels:
        raise ArtefactError(
            f"{folder}: this encoder has no labels yet; fine-tune it on a classification dataset"
        )
    tokenizer = load.tokenizer(folder)
    # fp32: an encoder this small answers in milliseconds, and bf16 would blur close probabilities.
    model = load.model(folder, form, resolve, precision="fp32")
    return TorchEncoder(form, model, tokenizer)


class TorchEncoder(Classifier):
    """A `Runtime` for classifiers on transformers."""

    def __init__(self, form: ModelForm, model: Any, tokenizer: Any, *, batch: int = BATCH) -> None:
        super().__init__(form, batch=batch)
        self.model, self.tokenizer = model, tokenizer

    def close(self) -> None:
        """Free the weights."""
        self.model = None

    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        import torch

        limit = int(self.model.config.max_position_embeddings)
        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        with torch.inference_mode():
            logits = self.model(**inputs).logits.float()
        rows: list[list[float]] = logits.softmax(-1).tolist()
        return rows
