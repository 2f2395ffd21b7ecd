"""Causal language models on ONNX Runtime: greedy generation over a KV cache that never leaves it.

The cache goes from one step to the next as ONNX Runtime's own values, so nothing is copied but the
logits. fp32 answers in batches; int8 one by one, because dynamic quantisation takes one scale for a
whole batch and a row's answer would depend on its neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill import machine
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import Resolve, load
from tidemill.runtimes.causal import CausalRuntime, GenerationRow, pad_left

if TYPE_CHECKING:
    from onnxruntime import OrtValue

BATCH = 16


def open(folder: Path, form: ModelForm, resolve: Resolve) -> OnnxCausal:  # noqa: A001
    """Load the graph; raises ArtefactError for one without a KV cache."""
    tokenizer = load.tokenizer(folder)
    options = machine.session_options()
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    if not any(tensor.name.startswith("past_key_values") for tensor in session.get_inputs()):
        raise ArtefactError(
            f"{folder}: the graph keeps no KV cache; build the Compression again from its weights"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    limit = int(config.get("max_position_embeddings") or 0)
    return OnnxCausal(form, session, tokenizer, ends=config.get("eos_token_id"), limit=limit)


class OnnxCausal(CausalRuntime):
    """A `Runtime` on an ONNX Runtime session."""

    def __init__(
        self,
        form: ModelForm,
        session: Any,
        tokenizer: Any,
        *,
        ends: int | list[int] | None,
        limit: int,
    ) -> None:
        batch = 1 if form.precision == "int8" else BATCH
        super().__init__(form, tokenizer, batch=batch, ends=ends, limit=limit)
        self.session = session

    def close(self) -> None:
        """Free the weights."""
        self.session = None

    def _run(
        self, rows: list[GenerationRow], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[None]:
        batch = _Batch(self.session, rows, self.tokenizer.pad_token_id)
        while not all(row.finish for row in rows):
            batch.step()
            for row in rows:
                if not row.finish:
                    self._judge(row, max_tokens, stop)
            yield


class _Batch:
    """Rows that run together: ids, mask and cache, padded on the left; all run until all end."""

    def __init__(self, session: Any, rows: list[GenerationRow], pad: int) -> None:
        import numpy as np

        self.session, self.rows = session, rows
        ids, mask = pad_left(rows, pad)
        self.ids = np.array(ids, dtype=np.int64)
        self.mask = np.array(mask, dtype=np.int64)
        self.names = {tensor.name for tensor in session.get_inputs()}
        self.outputs = [tensor.name for tensor in session.get_outputs()]
        self.past = self._empty(len(rows))

    def _empty(self, rows: int) -> dict[str, OrtValue]:
        import numpy as np
        import onnxruntime

        return {
            tensor.name: onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros((rows, tensor.shape[1], 0, tensor.shape[3]), np.float32)
            )
            for tensor in self.session.get_inputs()
            if tensor.name.startswith("past_key_values")
        }

    def step(self) -> None:
        """One forward pass: the prompts at first, then the newest token of each row."""
        import numpy as np
        import onnxruntime

        positions = np.maximum(self.mask.cumsum(-1) - 1, 0)[:, -self.ids.shape[1] :]
        plain = {"input_ids": self.ids, "attention_mask": self.mask, "position_ids": positions}
        feed = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
            for name, value in plain.items()
            if name in self.names
        }
        logits, *present = self.session.run_with_ort_values(self.outputs, {**feed, **self.past})
        self.past = {
            name.replace("present", "past_key_values"): value
            for name, value in zip(self.outputs[1:], present, strict=True)
        }
        self.ids = logits.numpy()[:, -1].argmax(-1)[:, None]
        self.mask = np.concatenate([self.mask, np.ones_like(self.ids)], axis=-1)
        for row, token in zip(self.rows, self.ids[:, 0].tolist(), strict=True):
            if not row.finish:
                row.generated.append(token)
