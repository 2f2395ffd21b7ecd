"""Kind Evaluation: is it good enough, and for whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tidemill.catalog import METRICS
from tidemill.spec.base import (
    AddedLater,
    FieldConflict,
    FilePath,
    Frozen,
    NamesTechnique,
    RefersTo,
    Spec,
)

MetricName = Annotated[str, NamesTechnique(METRICS)]


class Slice(Frozen):
    """A part of the test rows that is measured on its own."""

    name: str
    """Name in reports."""
    column: str | None = None
    """The column looked at; needed for `equals` and `one_of`."""
    equals: Any = None
    """Rows with this value."""
    one_of: tuple[Any, ...] = ()
    """Rows with one of these values."""
    rows_file: Annotated[FilePath | None, AddedLater()] = None
    """Rows that a JSONL file names, one a line: by `id`, or by `question` with columns and their
    values. `tidemill errors --open-pr` writes it."""

    @model_validator(mode="after")
    def _check_one_condition(self) -> Self:
        if (self.equals is not None) + bool(self.one_of) + (self.rows_file is not None) != 1:
            way_out = "give exactly one of equals, one_of and rows_file"
            raise FieldConflict("name", f"the slice '{self.name}' needs one condition", way_out)
        if (self.column is None) != (self.rows_file is not None):
            lacks = self.column is None
            cause = f"the slice '{self.name}' {'has no column' if lacks else 'has a column'}"
            way_out = "name the column" if lacks else "leave it out: rows_file names rows"
            raise FieldConflict("name" if lacks else "column", cause, way_out)
        return self


class AtLeast(Frozen):
    """The lower confidence bound has to reach a value."""

    type: Literal["at_least"]
    metric: MetricName
    """Metric to measure."""
    value: float
    """The bound has to reach this."""
    slice: str | None = None
    """Only on this slice."""


class AtMost(Frozen):
    """The upper confidence bound may not exceed a value."""

    type: Literal["at_most"]
    metric: MetricName
    """Metric to measure."""
    value: float
    """The bound may not exceed this."""
    slice: str | None = None
    """Only on this slice."""


class NoWorseThanBaseline(Frozen):
    """The paired difference to the baseline may not lie below the margin."""

    type: Literal["no_worse_than_baseline"]
    metric: MetricName
    """Metric to measure."""
    margin: float = Field(default=0.0, ge=0)
    """Loss that would be accepted, in the metric's unit; the lower bound lies above -margin."""
    slice: str | None = None
    """Only on this slice."""


Gate = Annotated[AtLeast | AtMost | NoWorseThanBaseline, Field(discriminator="type")]


class LiveBaseline(Frozen):
    """The release that is live in a service; without one these gates pass and say so."""

    type: Literal["live"]
    service: str
    """The service's name in a Rollout."""


class PinnedBaseline(Frozen):
    """A fixed release as baseline."""

    type: Literal["pinned"]
    release: str
    """Digest of the release."""


Baseline = Annotated[LiveBaseline | PinnedBaseline, Field(discriminator="type")]


class TrivialBaselines(Frozen):
    """The comparison with answers that cost next to nothing, such as the commonest label."""

    gate: bool = False
    """Make it a gate: the model has to beat the best of them on the first metric of quality, so the
    paired difference has to lie above zero. Without it the evaluation says so and goes on."""
    few_shot: int = Field(default=0, ge=0, le=32)
    """Ask the causal base model as well, with so many worked examples; it answers every test row,
    so it is left out at 0."""


class Forgetting(Frozen):
    """The comparison of each label and slice, and of the former test set, with the baseline."""

    gate: bool = True
    """Refuse a model where one of them fell; without it the evaluation says so and goes on."""
    margin: float = Field(default=0.02, ge=0)
    """Fall that is accepted, in the metric's unit; a lower bound above it is a fall."""


class Evaluation(Spec):
    """Is it good enough, and for whom."""

    kind: Literal["Evaluation"]
    of: Annotated[str, RefersTo(("Model", "FineTune", "Compression"))]
    """The model to evaluate, in the form that will be served."""
    dataset: Annotated[str, RefersTo(("Dataset",))]
    """The rows; always the `test` split."""
    prompt: Annotated[str, RefersTo(("Prompt",))] | None = None
    """The prompt; by default the one of the fine-tune behind `of`."""
    metrics: tuple[MetricName, ...] = Field(min_length=1)
    """Metric to measure."""
    slices: tuple[Slice, ...] = ()
    """Parts measured on their own."""
    baseline: Baseline | None = None
    """The release that the candidate is compared with, on the same rows."""
    trivial_baselines: Annotated[TrivialBaselines, AddedLater()] = TrivialBaselines()
    """What is asked of the comparison with trivial baselines, which is always made."""
    forgetting: Annotated[Forgetting, AddedLater()] = Forgetting()
    """What is asked of each label and slice and of the former test set, where `baseline` is set."""
    gates: tuple[Gate, ...] = ()
    """Conditions that a release has to meet."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of every interval and bound."""
    rows: int | None = Field(default=None, ge=1)
    """Judge a fixed sample of this many test rows; all of them without it."""
    seed: int = 0
    """Seeds the bootstrap and the sample."""
