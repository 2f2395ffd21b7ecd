"""The ordered gates between rows as they came and a dataset: each counts what it keeps out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tidemill.data import (
    SPLITS,
    cleaning,
    corrections,
    deduplicate,
    mapping,
    privacy,
    split,
    votes,
    weights,
)
from tidemill.data.expectations import ExpectationResult, validate_rows
from tidemill.data.rows import (
    FEEDBACK,
    ORIGIN,
    OUTPUTS,
    SOURCE,
    Quarantine,
    assign_ids,
    columns_of,
    mark_questions,
)
from tidemill.errors import DataError, suggest
from tidemill.rows import DatasetRow, MutableRow
from tidemill.spec.dataset import Dataset

_ALWAYS = ("id", "subject", "group", "source", "weight")


@dataclass
class PreparedDataset:
    """A dataset before it is written."""

    splits: dict[str, list[MutableRow]]
    quarantine: Quarantine
    outcomes: list[ExpectationResult]
    pii: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=lambda: {"exact": 0, "near": 0})
    weight_capped: int = 0
    """Subjects whose rows weigh less than they would, for the cap."""
    contested: int = 0
    """Feedback rows that wait for a review, since people do not agree."""
    crowd: float | None = None
    """Estimated share of right votes of a person nobody knows; None without votes."""
    questions: Sequence[votes.SettledQuestion] = ()
    """Questions that people said something about, or whose label a model doubts."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows per split."""
        return {name: len(self.splits[name]) for name in SPLITS}


def prepare(
    rows: Sequence[MutableRow],
    spec: Dataset,
    *,
    now: datetime,
    key: bytes | None,
    share: float = 1.0,
    unusable: Iterable[tuple[MutableRow, str]] = (),
    asks: Sequence[str] = (),
    settle_labels: votes.SettleLabels | None = None,
) -> PreparedDataset:
    """Mapped rows through every gate, in the order: form, consent, region, retention, cleaning,
    personal data, votes, repetition and leakage, expectations, split.

    `share` is the largest share of all weight one subject may hold; `unusable` rows were dropped
    on the way here; `asks` names the columns of the question where a prompt says them;
    `settle_labels` gives each question the label that people agree on, where answers have one.
    Raises DataError where the spec cannot be carried out.
    """
    prepared = PreparedDataset({}, Quarantine(list(unusable)), [])
    remaining, dropped = mapping.complete(rows, spec.format)
    prepared.quarantine.add(dropped)
    remaining, dropped = privacy.filter_permitted(remaining, spec.privacy, now)
    prepared.quarantine.add(dropped)
    remaining, dropped = deduplicate.leaks(
        remaining
    )  # before a `sample`, so that it gets its full number
    prepared.quarantine.add(dropped)
    remaining, dropped = cleaning.apply(remaining, spec.clean)
    prepared.quarantine.add(dropped)
    remaining, dropped, prepared.pii = privacy.apply(remaining, spec.privacy, key=key)
    prepared.quarantine.add(dropped)
    mark_questions(remaining, asks)
    remaining = _settle(remaining, spec, prepared, settle_labels)
    remaining = _deduplicate(remaining, spec, prepared)
    remaining = _check_expectations(remaining, spec, prepared)
    _deal(remaining, spec, prepared, key)
    if share < 1:
        prepared.weight_capped = weights.cap(prepared.splits["train"], share)
    _hide(prepared.quarantine, spec)
    return prepared


def _settle(
    rows: list[MutableRow],
    spec: Dataset,
    made: PreparedDataset,
    settle_labels: votes.SettleLabels | None,
) -> list[MutableRow]:
    """One row for each question that people said something about."""
    if not any(row.get(FEEDBACK) for row in rows):
        return rows
    if settle_labels is None:
        rows, dropped = corrections.newest_answers(rows, OUTPUTS)
        made.quarantine.add(dropped)
        return rows
    rows, dropped = deduplicate.leaks(rows)
    made.quarantine.add(dropped)
    near = spec.deduplicate.near if spec.deduplicate else None
    settled = settle_labels(rows, votes.questions(rows, near))
    made.quarantine.add(settled.dropped)
    made.contested, made.crowd = settled.contested, settled.crowd
    made.questions = settled.questions
    return settled.rows


def _deduplicate(rows: list[MutableRow], spec: Dataset, made: PreparedDataset) -> list[MutableRow]:
    rows, dropped = deduplicate.leaks(rows)
    made.quarantine.add(dropped)
    if spec.deduplicate is None:
        return rows
    key = spec.deduplicate.key
    if rows and not any(key in row for row in rows):
        names = sorted({name for row in rows for name in columns_of(row)})
        raise DataError(f"deduplicate.key: the rows have no column '{key}'; {suggest(key, names)}")
    done = deduplicate.apply(rows, key, spec.deduplicate.near)
    made.quarantine.add(done.dropped)
    made.duplicates = {"exact": done.exact, "near": done.near}
    return done.rows


def _check_expectations(
    rows: list[MutableRow], spec: Dataset, made: PreparedDataset
) -> list[MutableRow]:
    """Rows that break an `error` expectation go; a `warning` is shown and keeps its rows."""
    made.outcomes = validate_rows(rows, spec.expectations) if rows else []
    broken: dict[int, str] = {}
    for outcome in made.outcomes:
        if outcome.expectation.severity == "error":
            for index in outcome.failing:
                broken.setdefault(index, f"expectation: {outcome.name}")
    made.quarantine.add((rows[index], reason) for index, reason in sorted(broken.items()))
    return [row for index, row in enumerate(rows) if index not in broken]


def _deal(rows: list[MutableRow], spec: Dataset, made: PreparedDataset, key: bytes | None) -> None:
    held_share = spec.privacy.holdout_subjects

    def held_out(row: MutableRow) -> bool:
        return privacy.is_held_out(row.get("subject"), held_share, key or b"")

    made.splits, dropped = split.apply(rows, spec.split, held_out)
    made.quarantine.add(dropped)
    finished = [row for name in SPLITS for row in made.splits[name]]
    for row in finished:
        row["source"] = row.get(SOURCE)
        row["weight"] = _weight(row)
        for name in ("subject", "group"):
            row[name] = None if row.get(name) is None else str(row[name])
    assign_ids(finished)


def _weight(row: DatasetRow) -> float:
    value = row.get("weight")
    try:
        weight = 1.0 if value in (None, "") else float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{row.get(ORIGIN)}: weight '{value}' is no number") from error
    if not 0 <= weight < float("inf"):
        raise DataError(f"{row.get(ORIGIN)}: weight {value} is not a finite number above 0")
    return weight


def _hide(quarantine: Quarantine, spec: Dataset) -> None:
    """Redact quarantined rows and reasons, so that the artefact holds no personal data."""
    if spec.privacy.pii == "keep":
        return
    kinds = spec.privacy.kinds
    quarantine.rows = [
        (privacy.redact_row(row, kinds)[0], privacy.redact(reason, kinds)[0])
        for row, reason in quarantine.rows
    ]


def ordered_columns(splits: Mapping[str, Sequence[MutableRow]]) -> list[str]:
    """Columns of the finished rows: `id`, the data's own in order of appearance, then ours."""
    names: dict[str, None] = {}
    for name in SPLITS:
        for row in splits[name]:
            names.update(dict.fromkeys(columns_of(row)))
    own = [name for name in names if name not in _ALWAYS and name != "consent"]
    return ["id", *own, *_ALWAYS[1:]]
