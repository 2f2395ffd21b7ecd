"""Runtimes that answer requests with a model artefact: one Protocol, opened by the folder's form.

Every model artefact is a folder with a `form.json` (`tidemill.form.ModelForm`); `open_runtime`
reads it and picks the runtime, so evaluation, compression and serving never ask how weights are
stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from tidemill.chat import Messages as Messages
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm

Resolve = Callable[[str], Path]
"""Digest of an artefact → its folder."""


@dataclass(frozen=True)
class Reply:
    """A generated answer; `seconds` is its share of the time of the batch it ran in."""

    text: str
    tokens_in: int
    tokens_out: int
    seconds: float
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class LabelScores:
    """A classified text: the best label, its probability, and that of every label."""

    label: str
    probability: float
    all: Mapping[str, float]
    seconds: float = 0.0


@dataclass(frozen=True)
class RankedItems:
    """Recommended items, the best first, with their probabilities."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    seconds: float = 0.0


class Runtime(Protocol):
    """A model that is loaded and answers. Decoding is greedy."""

    form: ModelForm

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation, in their order."""

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Pieces of text as they are made, then the `Reply` they add up to, its tokens counted;
        causal language models only."""

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        """One `Scores` per text, in their order; classifiers only."""

    def close(self) -> None:
        """Free its memory."""


class Ranker(Runtime, Protocol):
    """A loaded recommender."""

    def rank(self, histories: Sequence[Sequence[str]]) -> list[RankedItems]:
        """The best items for each history of item ids (oldest first), in their order."""


def open_runtime(folder: Path, *, resolve: Resolve) -> Runtime:
    """The runtime for a model artefact; `resolve` finds an adapter's base by digest.

    A runtime module has `open(folder, form, resolve) -> Runtime`. Raises ArtefactError for a form
    nothing here can run, MissingExtra where its package is not installed.
    """
    from importlib import import_module

    form = ModelForm.read(folder)
    module = import_module(f"tidemill.runtimes.{_module(folder, form)}")
    return cast(Runtime, cast(Any, module).open(folder, form, resolve))


def _module(folder: Path, form: ModelForm) -> str:
    if form.form == "engine":
        raise ArtefactError(
            f"{folder}: a TensorRT engine runs on the NVIDIA GPU it was built for, not here; "
            "evaluate and serve the ONNX Runtime form instead"
        )
    if form.task == "ranking":
        return "ranking"
    if form.task == "sequence-classification":
        return "encoder" if form.form in ("safetensors", "adapter") else "encoder_onnx"
    return {"onnx": "onnx_causal", "genai": "genai"}.get(form.form, "transformers_causal")


def unsupported(what: str, form: ModelForm) -> ArtefactError:
    """The error of a runtime that is asked for what its model cannot do."""
    needed = {"classify": "a classifier", "rank": "a recommender"}.get(
        what, "a causal language model"
    )
    return ArtefactError(
        f"'{what}' needs {needed}; this model's task is {form.task}. "
        "Use a Model of the other task as the base"
    )
