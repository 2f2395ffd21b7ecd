"""Causal language models in PyTorch: batched greedy generation over a shared KV cache.

Conversations of like length run together, padded on the left; one that has ended leaves the batch,
so a long answer does not make short ones pay for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill import chat
from tidemill.errors import PromptTooLong
from tidemill.form import Form
from tidemill.runtimes import Messages, Reply, Resolve, Scores, load, refuse
from tidemill.runtimes._stop import cut, pieces

BATCH = 32
_CHECK_STOP_EVERY = 4


def open(folder: Path, form: Form, resolve: Resolve) -> TransformersCausal:  # noqa: A001
    """Load the model; an adapter is merged into the base that `resolve` finds."""
    return TransformersCausal(form, load.model(folder, form, resolve), load.tokenizer(folder))


@dataclass
class _Row:
    """One conversation on its way."""

    place: int
    prompt: list[int]
    made: list[int] = field(default_factory=list)
    finish: str = ""


class TransformersCausal:
    """A `Runtime` on transformers."""

    def __init__(self, form: Form, model: Any, tokenizer: Any, *, batch: int = BATCH) -> None:
        self.form, self.model, self.tokenizer, self.batch = form, model, tokenizer, batch
        ends = model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self._limit = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation, in their order."""
        rows = [_Row(i, self._encode(c, max_tokens)) for i, c in enumerate(conversations)]
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        replies: list[tuple[int, Reply]] = []
        for start in range(0, len(rows), self.batch):
            batch = by_length[start : start + self.batch]
            begun = time.perf_counter()
            for _ in self._run(batch, max_tokens, stop):
                pass
            share = (time.perf_counter() - begun) / len(batch)
            replies += [(row.place, self._reply(row, share, stop)) for row in batch]
        return [reply for _, reply in sorted(replies, key=lambda pair: pair[0])]

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
        self.model = None

    def _encode(self, messages: Messages, max_tokens: int) -> list[int]:
        ids = chat.encode(self.tokenizer, messages)
        if len(ids) + max_tokens > self._limit:
            raise PromptTooLong(
                f"a prompt of {len(ids)} tokens and {max_tokens} for the answer exceed the model's "
                f"{self._limit}; shorten the prompt or lower max_tokens"
            )
        return ids

    def _text(self, row: _Row) -> str:
        return str(self.tokenizer.decode(row.made, skip_special_tokens=True))

    def _reply(self, row: _Row, seconds: float, stop: Sequence[str]) -> Reply:
        text, _ = cut(self._text(row), stop)
        finish = "length" if row.finish == "length" else "stop"
        return Reply(text, len(row.prompt), len(row.made), seconds, finish)  # type: ignore[arg-type]

    def _run(self, rows: list[_Row], max_tokens: int, stop: Sequence[str]) -> Iterator[None]:
        """Extend the rows token by token, in place; yields after every token."""
        import torch

        with torch.inference_mode():
            batch = _Batch(self.model, rows, self.tokenizer.pad_token_id)
            while batch.rows:
                batch.step()
                for row in batch.rows:
                    self._judge(row, max_tokens, stop)
                yield
                batch.leave([row for row in batch.rows if not row.finish])

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
    """Rows that run together: ids, mask and cache, padded on the left."""

    def __init__(self, model: Any, rows: list[_Row], pad: int) -> None:
        import torch
        from transformers import DynamicCache

        self.model, self.rows = model, list(rows)
        width = max(len(row.prompt) for row in rows)
        self.ids = torch.tensor([[pad] * (width - len(r.prompt)) + r.prompt for r in rows])
        self.mask = torch.tensor(
            [[0] * (width - len(r.prompt)) + [1] * len(r.prompt) for r in rows]
        )
        self.cache = DynamicCache()

    def step(self) -> None:
        """One forward pass: the prompts at first, then the newest token of each row."""
        import torch

        positions = (self.mask.cumsum(-1) - 1).clamp_(min=0)[:, -self.ids.shape[1] :]
        padded = bool((self.mask == 0).any())
        logits = self.model(
            input_ids=self.ids,
            attention_mask=self.mask if padded else None,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self.ids = logits.argmax(-1, keepdim=True)
        self.mask = torch.cat([self.mask, torch.ones_like(self.ids)], dim=-1)
        for row, token in zip(self.rows, self.ids[:, 0].tolist(), strict=True):
            row.made.append(token)

    def leave(self, staying: list[_Row]) -> None:
        """Go on with the rows that have not ended."""
        import torch

        if len(staying) == len(self.rows) or not staying:
            self.rows = staying
            return
        kept = {id(row) for row in staying}
        keep = torch.tensor([i for i, row in enumerate(self.rows) if id(row) in kept])
        self.ids, self.mask = self.ids[keep], self.mask[keep]
        self.cache.batch_select_indices(keep)
        self.rows = staying
