"""Causal language models in PyTorch: batched greedy generation over a shared KV cache.

Conversations of like length run together, padded on the left; one that has ended leaves the batch,
so a long answer does not make short ones pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidemill.form import ModelForm
from tidemill.runtimes import Resolve, load
from tidemill.runtimes.causal import CausalRuntime, GenerationRow, pad_left

BATCH = 32


def open(folder: Path, form: ModelForm, resolve: Resolve) -> TransformersCausal:  # noqa: A001
    """Load the model; an adapter is merged into the base that `resolve` finds."""
    return TransformersCausal(form, load.model(folder, form, resolve), load.tokenizer(folder))


class TransformersCausal(CausalRuntime):
    """A `Runtime` on transformers."""

    def __init__(self, form: ModelForm, model: Any, tokenizer: Any, *, batch: int = BATCH) -> None:
        ends = model.generation_config.eos_token_id
        limit = int(getattr(model.config, "max_position_embeddings", 0) or 0)
        super().__init__(form, tokenizer, batch=batch, ends=ends, limit=limit)
        self.model = model

    def close(self) -> None:
        """Free the weights."""
        self.model = None

    def _run(
        self, rows: list[GenerationRow], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[None]:
        import torch

        with torch.inference_mode():
            batch = _Batch(self.model, rows, self.tokenizer.pad_token_id)
            while batch.rows:
                batch.step()
                for row in batch.rows:
                    self._judge(row, max_tokens, stop)
                yield
                batch.leave([row for row in batch.rows if not row.finish])


class _Batch:
    """Rows that run together: ids, mask and cache, padded on the left."""

    def __init__(self, model: Any, rows: list[GenerationRow], pad: int) -> None:
        import torch
        from transformers import DynamicCache

        self.model, self.rows = model, list(rows)
        ids, mask = pad_left(rows, pad)
        self.ids, self.mask = torch.tensor(ids), torch.tensor(mask)
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
            row.generated.append(token)

    def leave(self, staying: list[GenerationRow]) -> None:
        """Go on with the rows that have not ended."""
        import torch

        if len(staying) == len(self.rows) or not staying:
            self.rows = staying
            return
        identities = {id(row) for row in staying}
        keep = torch.tensor([i for i, row in enumerate(self.rows) if id(row) in identities])
        self.ids, self.mask = self.ids[keep], self.mask[keep]
        self.cache.batch_select_indices(keep)
        self.rows = staying
