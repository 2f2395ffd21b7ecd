"""Kind Dataset: rows, how they are cleaned, split and checked."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tidemill.catalog import CLEAN, Catalog
from tidemill.spec.base import (
    AddedLater,
    Duration,
    FieldConflict,
    FilePath,
    Fraction,
    Frozen,
    NamesTechnique,
    RefersTo,
    Spec,
    Technique,
)

SplitName = Literal["train", "validation", "test"]


class FileSource(Frozen):
    """A JSONL, CSV or Parquet file of the project."""

    type: Literal["file"]
    path: FilePath
    """Relative to the project's folder; the ending picks the format."""
    split: SplitName | None = None
    """Put every row of this file into one split; without it the dataset's `split` decides."""


class DvcSource(Frozen):
    """A data file kept in DVC, named by its `.dvc` pointer."""

    type: Literal["dvc"]
    path: FilePath
    """The pointer file, e.g. `data/requests.jsonl.dvc`."""
    split: SplitName | None = None
    """Put every row of this file into one split."""


class HubDatasetSource(Frozen):
    """A data file of a dataset repository on the Hugging Face hub, at a pinned revision."""

    type: Literal["hub"]
    repo: str
    """`owner/name` on the hub."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """The full commit hash."""
    path: str
    """The file inside the repository (JSONL, CSV or Parquet)."""
    split: SplitName | None = None
    """Put every row of this file into one split."""


class FeedbackSource(Frozen):
    """Rows made from the feedback of users, up to the offsets frozen at the start of a run."""

    type: Literal["feedback"]
    of: Annotated[str, RefersTo(("Feedback",))]
    """The Feedback spec whose stream is read."""
    kinds: tuple[Literal["correction", "score", "thumbs", "outcome"], ...] = ("correction",)
    """Which kinds become rows: a correction becomes its corrected output, a good score, thumb or
    outcome confirms the output it was given for. Reviews are read with any of them."""
    window: Duration | None = None
    """Only events of this last stretch of time before the freeze; all of them without it. Reviews
    count however old."""
    weight: float = Field(default=1.0, gt=0)
    """Weight of these rows in training, against 1 for a row of a file."""


DatasetSource = Annotated[
    FileSource | DvcSource | HubDatasetSource | FeedbackSource, Field(discriminator="type")
]


class CleanStep(Technique):
    """One cleaning step."""

    catalog: ClassVar[Catalog] = CLEAN
    type: Annotated[str, NamesTechnique(CLEAN)]
    """The step's name."""


class Deduplicate(Frozen):
    """Removes duplicate rows; the first one stays."""

    key: str
    """The column that is compared."""
    near: Fraction | None = None
    """Jaccard similarity of word shingles from which two rows are the same; exact without it."""


class Consensus(Frozen):
    """How votes of users about one question become one label."""

    accept: Fraction = 0.7
    """Least probability of a label; below it a row is contested and waits for a review."""
    half_life: Duration | None = None
    """Age at which a vote counts half; without it old votes count as much as new ones."""
    new_label: int = Field(default=3, ge=1)
    """People who have to choose a label that no file has before its rows count; they wait for a
    review until then."""


class LabelNoise(Frozen):
    """A second opinion on the labels that users give, from a model that has not seen them."""

    encoder: Annotated[str, RefersTo(("Model",))]
    """A sentence encoder. A linear classifier on its embeddings is fitted on four fifths of the
    questions and asked about the others; its opinion counts beside the votes."""


PiiKind = Literal["email", "phone", "card", "iban", "ip", "name"]


class Privacy(Frozen):
    """Privacy rules for rows; applied to events as well, before they are written."""

    pii: Literal["redact", "drop", "hash", "keep"] = "redact"
    """Treatment of personal data found in text columns (`drop` drops the row)."""
    kinds: tuple[PiiKind, ...] = ("email", "phone", "card", "iban", "ip")
    """Kinds of personal data to search for."""
    require_consent: bool = True
    """Take feedback rows only from events that carry consent."""
    regions: tuple[str, ...] = ()
    """Keep only rows whose `region` column is one of these; all without it."""
    retention_days: int | None = Field(default=None, gt=0)
    """Leave out feedback older than this."""
    holdout_subjects: Fraction = 0.0
    """Share of subjects never trained on, chosen by hash; their rows go to the test split, feedback
    only where others or a reviewer vouch for its label."""


class Ratios(Frozen):
    """Shares of the splits; they add up to 1."""

    train: Fraction = 0.8
    """Share that weights are fitted on."""
    validation: Fraction = 0.1
    """Share that early stopping, searches and calibration of thresholds look at."""
    test: Fraction = 0.1
    """Share that gates are judged on; nothing else looks at it."""

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            cause = f"the split's ratios add up to {total:g}, not 1"
            raise FieldConflict("train", cause, "change one of train, validation, test")
        return self


class Split(Frozen):
    """Assignment of rows to train, validation and test."""

    by: Literal["random", "stratified", "group", "time"] = "random"
    """`group` keeps all rows of one conversation or user on one side; `time` puts the newest last;
    rows with equal text always stay together."""
    key: str | None = None
    """The column of the label (stratified), group or time; needed for all but random."""
    ratios: Ratios = Ratios()
    """Shares of the three splits."""
    seed: int = 0
    """Picks one of the possible deals; the same seed and rows give the same splits."""

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.by != "random" and not self.key:
            cause = f"a split by {self.by} has no 'key'"
            raise FieldConflict("by", cause, "add 'key' with the column to split by")
        return self


class Expectation(Frozen):
    """One Great Expectations expectation; the remaining keys are its own arguments."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    type: str = Field(pattern=r"^expect_[a-z_]+$")
    """Name in Great Expectations, e.g. `expect_column_values_to_not_be_null`."""
    mostly: Fraction | None = None
    """Share of rows that must meet it."""
    severity: Literal["error", "warning"] = "error"
    """`error` stops the line; `warning` is shown and does not."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The expectation's own arguments, `mostly` included when given."""
        values = dict(self.__pydantic_extra__ or {})
        return values if self.mostly is None else {**values, "mostly": self.mostly}


class Dataset(Spec):
    """Rows, how they are cleaned, split and checked."""

    kind: Literal["Dataset"]
    sources: tuple[DatasetSource, ...] = Field(min_length=1)
    """Sources of rows, in order; of duplicates the first one stays."""
    format: Literal["chat", "completion", "classification", "preference", "ranking"]
    """`classification` rows have `text` and `label`; `completion` rows any input columns and
    `completion`; `chat` rows `messages`; `preference` rows `prompt`, `chosen`, `rejected`;
    `ranking` rows a `history` of item ids, oldest first, and the item that came next as `label`."""
    catalogue: Annotated[FilePath | None, AddedLater()] = None
    """The items of a `ranking` dataset, JSON lines with `id` and `title`, and `text`, `category` or
    `price` where there are any. An item needs no row, so new ones can be recommended."""
    map: dict[str, str] = Field(default_factory=dict)
    """Column names: ours on the left, the source's on the right. `subject`, `group`, `region`,
    `time` are known names too. Columns not named here keep their name."""
    clean: tuple[CleanStep, ...] = ()
    """Cleaning steps, in order."""
    deduplicate: Deduplicate | None = None
    """Removal of duplicate rows."""
    consensus: Annotated[Consensus, AddedLater()] = Consensus()
    """How votes of users become labels; `label_noise` adds the opinion of a model."""
    label_noise: Annotated[LabelNoise | None, AddedLater()] = None
    """A model that looks for wrong labels among the votes; none without it."""
    privacy: Privacy = Privacy()
    """Privacy rules for rows and events."""
    split: Split = Split()
    """Assignment of rows to train, validation and test."""
    expectations: tuple[Expectation, ...] = ()
    """Checks on the finished rows; failing rows are quarantined with the reason."""
    minimum_rows: int = Field(default=1, ge=1)
    """Fewer rows than this stop the line."""
