"""The form of a model artefact: `form.json`, read and written in one place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tidemill.errors import ArtefactError

FORM = "form.json"


@dataclass(frozen=True)
class ModelForm:
    """Architecture, task and labels of a model folder (its `form.json`)."""

    form: Literal["safetensors", "adapter", "onnx", "genai", "engine"]
    task: Literal["causal-lm", "sequence-classification", "ranking"]
    precision: Literal["fp32", "bf16", "fp16", "int8", "int4"] = "fp32"
    base: str | None = None
    """Digest of the base model's artefact (adapters only)."""
    labels: tuple[str, ...] = ()
    """Classes of a classifier, or items of a recommender, in the order of its outputs."""
    chat: bool = False
    """True where the tokenizer has a chat template."""
    parameters: int = 0
    pooling: Literal["mean-normalised"] | None = None
    """How a linear head reads a sentence encoder: the mean over the tokens, length one. None for a
    model with a head of its own architecture."""

    @classmethod
    def read(cls, folder: Path) -> ModelForm:
        """The folder's form; raises ArtefactError where it has none or a broken one."""
        path = folder / FORM
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            fields = {k: v for k, v in raw.items() if k in cls.__dataclass_fields__}
            return cls(**{**fields, "labels": tuple(fields.get("labels") or ())})
        except FileNotFoundError:
            raise ArtefactError(
                f"{folder} has no {FORM}: it is not a model artefact; rebuild it"
            ) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ArtefactError(
                f"{path}: cannot be read ({error}); build the model again"
            ) from None

    def write(self, folder: Path) -> None:
        """Put `form.json` into a folder that is being made."""
        fields = asdict(self)
        if self.pooling is None:  # came later: the bytes of other forms stay what they were
            del fields["pooling"]
        text = json.dumps(fields, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / FORM).write_text(text + "\n", encoding="utf-8")
