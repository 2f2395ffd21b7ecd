"""Encoder classifiers in PyTorch: batches of like length, softmax over the labels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidemill.errors import ArtefactError
from tidemill.form import Form
from tidemill.runtimes import Messages, Reply, Resolve, Scores, load, refuse

BATCH = 64


def open(folder: Path, form: Form, resolve: Resolve) -> TorchEncoder:  # noqa: A001
    """Load the classifier; raises ArtefactError for an encoder that was never taught labels."""
    if not form.labels:
        raise ArtefactError(
            f"{folder}: this encoder has no labels yet; fine-tune it on a classification dataset"
        )
    tokenizer = load.tokenizer(folder)
    # fp32: an encoder this small answers in milliseconds, and bf16 would blur close probabilities.
    model = load.model(folder, form, resolve, precision="fp32")
    return TorchEncoder(form, model, tokenizer)


class TorchEncoder:
    """A `Runtime` for classifiers on transformers."""

    def __init__(self, form: Form, model: Any, tokenizer: Any, *, batch: int = BATCH) -> None:
        self.form, self.model, self.tokenizer, self.batch = form, model, tokenizer, batch

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        """One `Scores` per text, in their order."""
        found: list[Scores | None] = [None] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            begun = time.perf_counter()
            rows = self._probabilities([texts[i] for i in places])
            share = (time.perf_counter() - begun) / len(places)
            for place, row in zip(places, rows, strict=True):
                found[place] = scores(self.form.labels, row, share)
        return [one for one in found if one is not None]

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """Not what a classifier does."""
        raise refuse("answer", self.form)

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str]:
        """Not what a classifier does."""
        raise refuse("stream", self.form)

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


def scores(labels: Sequence[str], probabilities: Sequence[float], seconds: float) -> Scores:
    """The best label and the probability of every one; ties go to the first label."""
    best = max(range(len(labels)), key=lambda i: probabilities[i])
    every = dict(zip(labels, map(float, probabilities), strict=True))
    return Scores(labels[best], every[labels[best]], every, seconds)
