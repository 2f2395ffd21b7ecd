"""Kind Compression: a smaller, faster form that still answers the same."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tidemill.catalog import COMPRESSION, METRICS, Catalog
from tidemill.spec.base import (
    FieldConflict,
    Fraction,
    Frozen,
    NamesTechnique,
    RefersTo,
    Spec,
    Technique,
)


class CompressionStep(Technique):
    """One step from a form of the model to the next."""

    catalog: ClassVar[Catalog] = COMPRESSION
    type: Annotated[str, NamesTechnique(COMPRESSION)]
    """The step's name."""


class OnnxRuntimeTarget(Frozen):
    """ONNX Runtime on this machine's processor or a GPU."""

    runtime: Literal["onnxruntime"]
    device: Literal["cpu", "cuda"] = "cpu"
    """Device that runs it."""


class TensorRtTarget(Frozen):
    """An engine built ahead of time for NVIDIA GPUs."""

    runtime: Literal["tensorrt-rtx", "tensorrt"]
    """`tensorrt-rtx` builds without a GPU for SM75 to SM120; `tensorrt` builds on the data-centre
    GPU it will run on."""
    compute: tuple[Literal["SM75", "SM80", "SM86", "SM89", "SM90", "SM120", "SM121"], ...] = Field(
        min_length=1
    )
    """Compute capabilities the engine is for."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """Number format of the engine's weights."""
    max_length: int = Field(default=512, ge=16)
    """Longest sequence the engine accepts."""
    max_batch: int = Field(default=1, ge=1)
    """Largest batch the engine accepts."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.runtime == "tensorrt-rtx" and "SM90" in self.compute:
            cause = "tensorrt-rtx does not build for SM90 (Hopper)"
            raise FieldConflict("compute", cause, "take SM90 out, or choose runtime tensorrt")
        return self


Target = Annotated[OnnxRuntimeTarget | TensorRtTarget, Field(discriminator="runtime")]


class Calibration(Frozen):
    """Rows that quantisation and pruning may look at; only ever train rows."""

    dataset: Annotated[str, RefersTo(("Dataset",))]
    """The dataset."""
    split: Literal["train", "validation", "test"] = "train"
    """Has to be `train`: looking at test rows would spoil the evaluation."""
    rows: int = Field(default=64, ge=1)
    """Number of rows."""


class Goal(Frozen):
    """A limit for the compressed model on the validation split; set exactly one of the limits."""

    metric: Annotated[str, NamesTechnique(METRICS)]
    """Metric to measure."""
    at_least: float | None = None
    """Smallest value allowed."""
    at_most: float | None = None
    """Largest value allowed."""
    max_degradation: float | None = Field(default=None, ge=0)
    """Largest loss against the form before compression, in the metric's own unit."""
    max_ratio: float | None = Field(default=None, gt=0)
    """Largest ratio to the form before compression (for size and latency)."""

    @model_validator(mode="after")
    def _check_one_limit(self) -> Self:
        limits = (self.at_least, self.at_most, self.max_degradation, self.max_ratio)
        if sum(limit is not None for limit in limits) != 1:
            way_out = "give exactly one of at_least, at_most, max_degradation, max_ratio"
            raise FieldConflict("metric", f"the goal on '{self.metric}' needs one limit", way_out)
        return self


class Equivalence(Frozen):
    """How alike the answers before and after every step have to be, in the terms of the task."""

    min_agreement: Fraction = 0.95
    """Share of rows with the same label or parsed JSON; of free text the share of its metric that
    is kept. A step is refused where the 95 % bound lies below; words are never compared."""
    rows: int = Field(default=64, ge=1)
    """Rows of the validation split that are compared (filled up from train)."""


class Compression(Spec):
    """A smaller, faster form that still answers the same."""

    kind: Literal["Compression"]
    of: Annotated[str, RefersTo(("FineTune", "Model"))]
    """The model to compress."""
    prompt: Annotated[str, RefersTo(("Prompt",))] | None = None
    """The prompt it is checked with; by default the fine-tune's own."""
    dataset: Annotated[str, RefersTo(("Dataset",))] | None = None
    """The rows it is checked on; by default the fine-tune's own."""
    steps: tuple[CompressionStep, ...] = Field(min_length=1)
    """Compression steps, in order."""
    targets: tuple[Target, ...] = Field(min_length=1)
    """Runtimes the result has to run on; one asset output each."""
    calibration: Calibration | None = None
    """Rows that steps may look at."""
    goals: tuple[Goal, ...] = ()
    """Limits for the result."""
    equivalence: Equivalence = Equivalence()
    """How alike the answers have to be after each hop."""
