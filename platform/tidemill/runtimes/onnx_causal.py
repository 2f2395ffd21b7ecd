"""Causal language models on ONNX Runtime: greedy generation over a KV cache that never leaves it.

The cache goes from one step to the next as ONNX Runtime's own values, so nothing is copied but the
logits. fp32 answers in batches; int8 one by one, because dynamic quantisation takes one scale for a
whole batch and a row's answer would depend on its neighbours.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill import chat, machine
from tidemill.errors import ArtefactError, PromptTooLong
from tidemill.form import Form
from tidemill.runtimes import Messages, Reply, Resolve, Scores, load, refuse
from tidemill.runtimes._stop import cut, pieces

BATCH = 16
_CHECK_STOP_EVERY = 4


def open(folder: Path, form: Form, resolve: Resolve) -> OnnxCausal:  # noqa: A001
    """Load the graph; raises ArtefactError for one without a KV cache."""
    tokenizer = load.tokenizer(folder)
    options = machine.session_options()
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    if not any(one.name.startswith("past_key_values") for one in session.get_inputs()):
        raise ArtefactError(
            f"{folder}: the graph keeps no KV cache; make the Compression again from its weights"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return OnnxCausal(form, session, tokenizer, config)


@dataclass
class _Row:
    """One conversation on its way."""

    place: int
    prompt: list[int]
    made: list[int] = field(default_factory=list)
    finish: str = ""


class OnnxCausal:
    """A `Runtime` on an ONNX Runtime session."""

    def __init__(self, form: Form, session: Any, tokenizer: Any, config: dict[str, Any]) -> None:
        self.form, self.session, self.tokenizer = form, session, tokenizer
        self.batch = 1 if form.precision == "int8" else BATCH
        ends = config.get("eos_token_id")
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self._limit = int(config.get("max_position_embeddings") or 1 << 30)

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation, in their order."""
        rows = [_Row(i, self._encode(c, max_tokens)) for i, c in enumerate(conversations)]
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        replies: dict[int, Reply] = {}
        for start in range(0, len(rows), self.batch):
            batch = by_length[start : start + self.batch]
            begun = time.perf_counter()
            for _ in self._run(batch, max_tokens, stop):
                pass
            share = (time.perf_counter() - begun) / len(batch)
            replies |= {row.place: self._reply(row, share, stop) for row in batch}
        return [replies[place] for place in range(len(rows))]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Pieces of text as they are made, then the `Reply`."""
        begun = time.perf_counter()
        row = _Row(0, self._encode(messages, max_tokens))
        yield from pieces((self._text(row) for _ in self._run([row], max_tokens, stop)), stop)
        yield self._reply(row, time.perf_counter() - begun, stop)

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        """Not what a causal language model does."""
        raise refuse("classify", self.form)

    def close(self) -> None:
        """Free the weights."""
        self.session = None

    def _encode(self, messages: Messages, max_tokens: int) -> list[int]:
        return within(chat.encode(self.tokenizer, messages), max_tokens, self._limit)

    def _text(self, row: _Row) -> str:
        return str(self.tokenizer.decode(row.made, skip_special_tokens=True))

    def _reply(self, row: _Row, seconds: float, stop: Sequence[str]) -> Reply:
        text, _ = cut(self._text(row), stop)
        finish = "length" if row.finish == "length" else "stop"
        return Reply(text, len(row.prompt), len(row.made), seconds, finish)  # type: ignore[arg-type]

    def _run(self, rows: list[_Row], max_tokens: int, stop: Sequence[str]) -> Iterator[None]:
        """Extend the rows token by token, in place; yields after every token."""
        batch = _Batch(self.session, rows, self.tokenizer.pad_token_id)
        while not all(row.finish for row in rows):
            batch.step()
            for row in rows:
                if not row.finish:
                    self._judge(row, max_tokens, stop)
            yield

    def _judge(self, row: _Row, max_tokens: int, stop: Sequence[str]) -> None:
        """Set `finish` where the row has ended; an end token is not part of the answer."""
        if row.made[-1] in self._ends:
            row.made.pop()
            row.finish = "stop"
        elif stop and len(row.made) % _CHECK_STOP_EVERY == 0 and cut(self._text(row), stop)[1]:
            row.finish = "stop"
        elif len(row.made) >= max_tokens:
            row.finish = "stop" if cut(self._text(row), stop)[1] else "length"


class _Batch:
    """Rows that run together: ids, mask and cache, padded on the left; all run until all end."""

    def __init__(self, session: Any, rows: list[_Row], pad: int) -> None:
        import numpy as np

        self.session, self.rows = session, rows
        width = max(len(row.prompt) for row in rows)
        ids = [[pad] * (width - len(r.prompt)) + r.prompt for r in rows]
        mask = [[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in rows]
        self.ids = np.array(ids, dtype=np.int64)
        self.mask = np.array(mask, dtype=np.int64)
        self.names = {one.name for one in session.get_inputs()}
        self.outputs = [one.name for one in session.get_outputs()]
        self.past = self._empty(len(rows))

    def _empty(self, rows: int) -> dict[str, Any]:
        import numpy as np
        import onnxruntime

        return {
            one.name: onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros((rows, one.shape[1], 0, one.shape[3]), np.float32)
            )
            for one in self.session.get_inputs()
            if one.name.startswith("past_key_values")
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
                row.made.append(token)


def within(ids: list[int], max_tokens: int, limit: int) -> list[int]:
    """The prompt's tokens, if they and the answer fit; raises PromptTooLong."""
    if not ids or len(ids) + max_tokens > limit:
        raise PromptTooLong(
            f"a prompt of {len(ids)} tokens and {max_tokens} for the answer exceed the model's "
            f"{limit}; shorten the prompt or lower max_tokens"
        )
    return ids
