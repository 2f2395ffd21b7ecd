"""Encoder classifiers on ONNX Runtime: batches of like length, softmax over the labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import Resolve, load
from tidemill.runtimes.classifier import Classifier

BATCH = 32


def open(folder: Path, form: ModelForm, resolve: Resolve) -> OnnxEncoder:  # noqa: A001
    """Load the graph; raises ArtefactError for one without labels."""
    if not form.labels:
        raise ArtefactError(f"{folder}: this classifier has no labels; compress a fine-tuned one")
    tokenizer = load.tokenizer(folder)
    options = machine.session_options()
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    limit = int(config.get("max_position_embeddings") or 512)
    return OnnxEncoder(form, session, tokenizer, limit)


class OnnxEncoder(Classifier):
    """A `Runtime` for classifiers on an ONNX Runtime session.

    int8 takes texts one by one: dynamic quantisation has one scale for a whole batch, and a text's
    label must not depend on its neighbours.
    """

    def __init__(self, form: ModelForm, session: Any, tokenizer: Any, limit: int) -> None:
        super().__init__(form, batch=1 if form.precision == "int8" else BATCH)
        self.session, self.tokenizer, self.limit = session, tokenizer, limit
        self._names = [tensor.name for tensor in session.get_inputs()]

    def close(self) -> None:
        """Free the weights."""
        self.session = None

    def _probabilities(self, texts: list[str]) -> list[list[float]]:
        import numpy as np

        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.limit, return_tensors="np"
        )
        feed = {name: np.asarray(inputs[name], np.int64) for name in self._names if name in inputs}
        if "token_type_ids" in self._names and "token_type_ids" not in feed:
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
        logits = self.session.run(["logits"], feed)[0].astype(np.float64)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        rows: list[list[float]] = (powers / powers.sum(-1, keepdims=True)).tolist()
        return rows
