"""Learning to write: the loss of a causal language model over the tokens of the completion only.

Rows are padded on the right, where causal attention never looks, so no mask is needed. Layers below
the lowest one that is trained give the same hidden states in every epoch: they are run once per row
and their output is kept, so that every step runs (and differentiates) the top layers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tidemill.training.classifier_head import cross_entropy
from tidemill.training.examples import Example, length_batches

_READ_TOKENS = 2048
_MEMORY_SHARE = 0.25


class CausalLearner:
    """Turns examples into a loss; `model` is a transformers model, or peft's wrapper of one."""

    def __init__(self, model: Any, *, pad: int, low: bool) -> None:
        self.model, self.pad, self.low = model, pad, low
        inner = model.get_base_model() if hasattr(model, "peft_config") else model
        self.backbone = getattr(inner, inner.base_model_prefix)
        self.head = inner.get_output_embeddings()
        self._kept: dict[tuple[int, ...], Any] = {}
        self._top: Any = None

    def loss(self, rows: Sequence[Example], smoothing: float) -> Any:
        """Sum over the rows' completion tokens of weight times cross-entropy."""
        import torch

        targets = torch.tensor([t for row in rows for t in row.ids[row.start :]])
        weights = torch.tensor([row.weight for row in rows for _ in range(row.targets)])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.low):
            hidden = self._hidden_states(rows)
            before = torch.tensor(
                [i * hidden.shape[1] + at - 1 for i, row in enumerate(rows)
                 for at in range(row.start, len(row.ids))]
            )  # fmt: skip
            predicting = hidden.reshape(-1, hidden.shape[-1])[before]
            if self.low:
                predicting = predicting.to(torch.bfloat16)
            bias = getattr(self.head, "bias", None)
            return cross_entropy(predicting, self.head.weight, bias, targets, weights, smoothing)

    def prepare(self, examples: Sequence[Example], tell: Callable[[int, int], None]) -> int:
        """Run frozen lower layers over the rows once; gives the number of layers saved, 0 where
        none are frozen, the model is not built from plain layers, or memory would not hold it."""
        import torch

        depth = self._frozen_layers()
        if not depth or not self._affordable(examples):
            return 0
        layers = self.backbone.layers
        bottom, top = torch.nn.ModuleList(layers[:depth]), torch.nn.ModuleList(layers[depth:])
        if not self._splits(bottom, top, examples[0]):
            return 0
        done = 0
        for places in length_batches(examples, _READ_TOKENS):
            rows = [examples[i] for i in places]
            for row, states in zip(rows, self._read(bottom, rows), strict=True):
                self._kept[row.ids] = states[: len(row.ids)].clone()
            done += len(rows)
            tell(done, len(examples))
        self._top = top
        return depth

    def forget(self) -> None:
        """Free what `prepare` kept; rows go through all layers again."""
        self._kept, self._top = {}, None

    def _hidden_states(self, rows: Sequence[Example]) -> Any:
        import torch

        if self._top is not None:
            row_states = [self._kept[row.ids] for row in rows]
            states = torch.nn.utils.rnn.pad_sequence(row_states, batch_first=True)
            with self._with_layers(self._top):
                return self.backbone(inputs_embeds=states, use_cache=False).last_hidden_state
        return self.backbone(input_ids=self._pad(rows), use_cache=False).last_hidden_state

    def _pad(self, rows: Sequence[Example]) -> Any:
        import torch

        width = max(len(row.ids) for row in rows)
        return torch.tensor([[*row.ids, *[self.pad] * (width - len(row.ids))] for row in rows])

    def _read(self, bottom: Any, rows: Sequence[Example]) -> Any:
        """Hidden states (rows, width, h) after the lower layers, before any norm."""
        import torch

        with (
            torch.no_grad(),
            torch.autocast("cpu", torch.bfloat16, enabled=self.low),
            self._with_layers(bottom, torch.nn.Identity()),
        ):
            return self.backbone(input_ids=self._pad(rows), use_cache=False).last_hidden_state

    def _frozen_layers(self) -> int:
        """Number of layers from the bottom without trained weights (embeddings included)."""
        layers = getattr(self.backbone, "layers", None)
        if layers is None or not hasattr(self.backbone, "norm"):
            return 0
        if any(p.requires_grad for p in self.backbone.get_input_embeddings().parameters()):
            return 0
        for depth, layer in enumerate(layers):
            if any(p.requires_grad for p in layer.parameters()):
                return depth
        return 0

    def _affordable(self, examples: Sequence[Example]) -> bool:
        import psutil

        numbers = sum(len(e.ids) for e in examples) * int(self.backbone.config.hidden_size)
        size = numbers * (2 if self.low else 4)
        return size < _MEMORY_SHARE * psutil.virtual_memory().available

    def _splits(self, bottom: Any, top: Any, row: Example) -> bool:
        """True where both halves one after the other give what the whole gives."""
        import torch

        was = self.model.training
        self.model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.low):
            full = self.backbone(input_ids=self._pad([row]), use_cache=False).last_hidden_state
            states = self._read(bottom, [row])
            with self._with_layers(top):
                halves = self.backbone(inputs_embeds=states, use_cache=False).last_hidden_state
        self.model.train(was)
        return bool(torch.allclose(full.float(), halves.float(), rtol=0.05, atol=0.05))

    @contextmanager
    def _with_layers(self, layers: Any, norm: Any = None) -> Iterator[None]:
        """The backbone with some of its layers (and another last norm) for a moment."""
        backbone, config = self.backbone, self.backbone.config
        all_layers, own, count = backbone.layers, backbone.norm, config.num_hidden_layers
        backbone.layers, config.num_hidden_layers = layers, len(layers)
        if norm is not None:
            backbone.norm = norm
        try:
            yield
        finally:
            backbone.layers, config.num_hidden_layers, backbone.norm = all_layers, count, own
