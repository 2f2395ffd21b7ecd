"""Kind Prompt: how a row becomes a prompt, and how a model's text becomes an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tidemill.catalog import METRICS, PROMPTS, SEARCH
from tidemill.spec.base import FieldConflict, FilePath, Frozen, NamesTechnique, RefersTo, Spec


class TextOutput(Frozen):
    """Free text."""

    type: Literal["text"]
    column: str
    """The dataset's column with the wanted text."""
    label: str | None = None
    """A column whose value leads the text: the model writes `label | text`, the two are kept apart,
    users see the text, and metrics such as accuracy judge the label."""
    max_tokens: int = Field(default=128, ge=1, le=8192)
    """Longest answer, in tokens of the model."""


class LabelOutput(Frozen):
    """One of a closed set of labels."""

    type: Literal["label"]
    column: str = "label"
    """The dataset's column with the right label."""
    max_tokens: int = Field(default=32, ge=1, le=512)
    """Longest label, in tokens of the model; too few cut long labels off."""


class JsonOutput(Frozen):
    """A JSON document that meets a schema."""

    type: Literal["json"]
    column: str
    """The dataset's column with the wanted document."""
    schema_: dict[str, Any] = Field(alias="schema")
    """JSON Schema (draft 2020-12) of the answer."""
    max_tokens: int = Field(default=256, ge=1, le=8192)
    """Longest answer, in tokens of the model."""


Output = Annotated[TextOutput | LabelOutput | JsonOutput, Field(discriminator="type")]


class Examples(Frozen):
    """Worked examples shown to the model."""

    source: Annotated[str, RefersTo(("Dataset",))]
    """The dataset whose train split they come from."""
    k: int = Field(default=4, ge=1, le=64)
    """Number of examples in the prompt."""
    selection: Literal["fixed", "random", "similar"] = "fixed"
    """`fixed`: the first k; `random`: k drawn by a hash of the row; `similar`: the k nearest by
    sentence embedding."""
    encoder: Annotated[str, RefersTo(("Model",))] | None = None
    """The sentence encoder of `similar`."""
    file: FilePath | None = None
    """A JSONL file of chosen examples, in the order they are shown, in place of the train split.
    What `tidemill optimise` finds is written there."""

    @model_serializer(mode="wrap")
    def _without_file(self, plain: SerializerFunctionWrapHandler) -> dict[str, object]:
        """A prompt that names no file keeps the digest it had before there was one to name."""
        values: dict[str, object] = plain(self)
        return values if self.file else {k: v for k, v in values.items() if k != "file"}

    @model_validator(mode="after")
    def _check_encoder(self) -> Self:
        if self.selection == "similar" and not self.encoder:
            way_out = "add 'encoder' with the name of a Model that embeds sentences"
            raise FieldConflict("selection", "selection similar has no encoder", way_out)
        return self


class Context(Frozen):
    """Passages the model is given to answer from (technique `contextual`)."""

    source: FilePath
    """JSONL file of passages with a `text` column."""
    k: int = Field(default=3, ge=1, le=50)
    """Number of passages in the prompt."""
    encoder: Annotated[str, RefersTo(("Model",))]
    """The sentence encoder that finds them."""


class Optimise(Frozen):
    """Search space and budget of `tidemill optimise`."""

    method: Annotated[str, NamesTechnique(SEARCH)] = "bootstrap"
    """The search; `miprov2` and `gepa` need a reflection model."""
    metric: Annotated[str, NamesTechnique(METRICS)] = "exact_match"
    """Metric to maximise."""
    dataset: Annotated[str, RefersTo(("Dataset",))]
    """Searches on its `train` split, decides on `validate_on`."""
    train: Literal["train", "validation", "test"] = "train"
    """The split searched on."""
    validate_on: Literal["train", "validation", "test"] = "validation"
    """The split that decides; never the one searched on."""
    demonstrations: int = Field(default=4, ge=0, le=64)
    """Most worked examples a found prompt may show; 0 searches instructions alone."""
    model: Annotated[str, RefersTo(("Model", "FineTune", "Compression"))] | None = None
    """What answers during the search; without it the one model that an Evaluation asks through this
    prompt."""
    rank_on: int = Field(default=24, ge=1)
    """Rows of `train` that candidates are ranked on; none of them is shown as an example."""
    decide_on: int = Field(default=200, ge=6)
    """At most this many rows of `validate_on` decide."""
    calls: int = Field(default=200, ge=1)
    """Hard limit of model calls, those that decide included."""
    tokens: int | None = Field(default=None, ge=1)
    """Hard limit of tokens, read and written."""
    money: float | None = Field(default=None, gt=0)
    """Hard limit of what the reflection model may cost, in the currency of its price."""


class Prompt(Spec):
    """A prompt template with its examples, output format and technique."""

    kind: Literal["Prompt"]
    template: FilePath
    """Jinja2 file, rendered in a sandbox; it sees the columns named in `inputs`."""
    system: str = ""
    """The system message; none when empty."""
    inputs: tuple[str, ...] = Field(min_length=1)
    """Columns the template may use."""
    output: Output
    """Format of an answer."""
    technique: Annotated[str, NamesTechnique(PROMPTS)] = "zero-shot"
    """Prompt technique."""
    examples: Examples | None = None
    """Worked examples; needed by few-shot, allowed with chain-of-thought and contextual."""
    reasoning: str | None = None
    """Column with written reasoning to train on (chain-of-thought)."""
    context: Context | None = None
    """Passages to answer from; needed by contextual."""
    optimise: Optimise | None = None
    """Search space and budget of the prompt optimiser."""
