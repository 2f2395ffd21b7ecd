"""A sentence encoder with a linear head, as one torch module: mean over tokens, length one, logits.

The same module gives the embeddings that a head is fitted on, answers, and is exported to ONNX. In
an artefact the encoder lies as it did in its base, and the head beside it in a file of its own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from tidemill.errors import ArtefactError, MissingExtra
from tidemill.runtimes.sentence import mean_normalised

HEAD = "head.safetensors"
POOLING: Literal["mean-normalised"] = "mean-normalised"


def add_head(encoder: Any, labels: int) -> Any:
    """The encoder, frozen, with a head of zeros for so many labels."""
    model = _module_class()(encoder, labels)
    return model.requires_grad_(False).eval()


def set_head(model: Any, weight: Any, bias: Any) -> None:
    """Put a fitted head in: weight (labels, size) and bias (labels,) as float32 arrays."""
    import torch

    model.classifier.weight.copy_(torch.from_numpy(weight))
    model.classifier.bias.copy_(torch.from_numpy(bias))


def save_head(model: Any, folder: Path) -> None:
    """Write the head alone; the encoder's weights are the base's."""
    from safetensors.torch import save_file

    tensors = {f"classifier.{name}": value for name, value in model.classifier.named_parameters()}
    save_file(tensors, folder / HEAD, metadata={"format": "pt"})


def load(folder: Path, labels: int) -> Any:
    """Encoder and head of an artefact; raises ArtefactError where the head is missing or is for
    another number of labels."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtra(str(error.name), "train") from None
    import torch

    try:
        tensors = load_file(folder / HEAD)
        model = add_head(AutoModel.from_pretrained(folder, dtype=torch.float32), labels)
        head = {name.removeprefix("classifier."): value for name, value in tensors.items()}
        model.classifier.load_state_dict(head)
    except (OSError, RuntimeError, SafetensorError) as error:
        cause = f"{folder / HEAD}: holds no head for {labels} labels on this encoder"
        raise ArtefactError(f"{cause}; train it again") from error
    return model


@cache
def _module_class() -> Any:
    """The module's class; made on first use because torch is imported late."""
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutput

    class SentenceClassifier(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, encoder: Any, labels: int) -> None:
            super().__init__()
            self.encoder, self.config = encoder, encoder.config
            self.classifier = torch.nn.Linear(int(encoder.config.hidden_size), labels)
            torch.nn.init.zeros_(self.classifier.weight)
            torch.nn.init.zeros_(self.classifier.bias)

        def embed(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            """Sentences as vectors of length one, (n, size)."""
            kinds = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            output = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **kinds)
            return mean_normalised(output.last_hidden_state, attention_mask)

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            """Logits (n, labels); their softmax is the probability of each label."""
            sentences = self.embed(input_ids, attention_mask, token_type_ids)
            return SequenceClassifierOutput(logits=self.classifier(sentences))

    return SentenceClassifier
