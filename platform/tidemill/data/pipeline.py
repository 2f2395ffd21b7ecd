"""The ordered gates between rows as they came and a dataset: each counts what it keeps out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.data import SPLITS, deduplicate, mapping, privacy, split, weights
from tidemill.data.expectations import Outcome, judge
from tidemill.data.rows import ORIGIN, SOURCE, Quarantine, Row, columns_of, give_ids, mark_questions
from tidemill.errors import DataError, suggest
from tidemill.spec.dataset import Dataset

_ALWAYS = ("id", "subject", "group", "source", "weight")


@dataclass
class Prepared:
    """A dataset before it is written."""

    splits: dict[str, list[Row]]
    quarantine: Quarantine
    outcomes: list[Outcome]
    pii: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=lambda: {"exact": 0, "near": 0})
    capped: int = 0
    """Subjects whose rows weigh less than they would, for the cap."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows per split."""
        return {name: len(self.splits[name]) for name in SPLITS}


def prepare(
    rows: Sequence[Row],
    spec: Dataset,
    *,
    now: datetime,
    key: bytes | None,
    share: float = 1.0,
    unusable: Iterable[tuple[Row, str]] = (),
    asks: Sequence[str] = (),
) -> Prepared:
    """Mapped rows through every gate, in the order: form, consent, region, retention, cleaning,
    personal data, repetition and leakage, expectations, split.

    `share` is the largest share of all weight one subject may hold; `unusable` rows were dropped
    on the way here; `asks` names the columns of the question where a prompt says them. Raises
    DataError where the spec cannot be carried out.
    """
    made = Prepared({}, Quarantine(list(unusable)), [])
    kept, dropped = mapping.complete(rows, spec.format)
    made.quarantine.take(dropped)
    kept, dropped = privacy.gate(kept, spec.privacy, now)
    made.quarantine.take(dropped)
    kept, dropped = deduplicate.leaks(kept)  # before a `sample`, so that it gets its full number
    made.quarantine.take(dropped)
    kept = _clean(kept, spec, made.quarantine)
    kept, dropped, made.pii = privacy.apply(kept, spec.privacy, key=key)
    made.quarantine.take(dropped)
    mark_questions(kept, asks)
    kept = _unrepeated(kept, spec, made)
    kept = _expected(kept, spec, made)
    _deal(kept, spec, made, key)
    if share < 1:
        made.capped = weights.cap(made.splits["train"], share)
    _hide(made.quarantine, spec)
    return made


def _clean(rows: list[Row], spec: Dataset, quarantine: Quarantine) -> list[Row]:
    for step in spec.clean:
        rows, dropped = step.catalog.load(step.type).apply(rows, step.options)
        quarantine.take(dropped)
    return rows


def _unrepeated(rows: list[Row], spec: Dataset, made: Prepared) -> list[Row]:
    rows, dropped = deduplicate.leaks(rows)
    made.quarantine.take(dropped)
    if spec.deduplicate is None:
        return rows
    key = spec.deduplicate.key
    if rows and not any(key in row for row in rows):
        names = sorted({name for row in rows for name in columns_of(row)})
        raise DataError(f"deduplicate.key: the rows have no column '{key}'; {suggest(key, names)}")
    done = deduplicate.apply(rows, key, spec.deduplicate.near)
    made.quarantine.take(done.dropped)
    made.duplicates = {"exact": done.exact, "near": done.near}
    return done.rows


def _expected(rows: list[Row], spec: Dataset, made: Prepared) -> list[Row]:
    """Rows that break an `error` expectation go; a `warning` is shown and keeps its rows."""
    made.outcomes = judge(rows, spec.expectations) if rows else []
    broken: dict[int, str] = {}
    for outcome in made.outcomes:
        if outcome.expectation.severity == "error":
            for place in outcome.failing:
                broken.setdefault(place, f"expectation: {outcome.name}")
    made.quarantine.take((rows[place], reason) for place, reason in sorted(broken.items()))
    return [row for place, row in enumerate(rows) if place not in broken]


def _deal(rows: list[Row], spec: Dataset, made: Prepared, key: bytes | None) -> None:
    held_share = spec.privacy.holdout_subjects

    def held_out(row: Row) -> bool:
        return privacy.held_out(row.get("subject"), held_share, key or b"")

    made.splits, dropped = split.apply(rows, spec.split, held_out)
    made.quarantine.take(dropped)
    finished = [row for name in SPLITS for row in made.splits[name]]
    for row in finished:
        row["source"] = row.get(SOURCE)
        row["weight"] = _weight(row)
        for name in ("subject", "group"):
            row[name] = None if row.get(name) is None else str(row[name])
    give_ids(finished)


def _weight(row: Mapping[str, Any]) -> float:
    given = row.get("weight")
    try:
        weight = 1.0 if given in (None, "") else float(given)
    except (TypeError, ValueError) as error:
        raise DataError(f"{row.get(ORIGIN)}: weight '{given}' is no number") from error
    if not 0 <= weight < float("inf"):
        raise DataError(f"{row.get(ORIGIN)}: weight {given} is not a finite number above 0")
    return weight


def _hide(quarantine: Quarantine, spec: Dataset) -> None:
    """What was kept out before the privacy gate must not bring personal data into the artefact."""
    if spec.privacy.pii == "keep":
        return
    kinds = spec.privacy.kinds
    quarantine.rows = [
        (privacy.redact_row(row, kinds)[0], privacy.redact(reason, kinds)[0])
        for row, reason in quarantine.rows
    ]


def ordered_columns(splits: Mapping[str, Sequence[Row]]) -> list[str]:
    """Columns of the finished rows: `id`, the data's own in order of appearance, then ours."""
    seen: dict[str, None] = {}
    for name in SPLITS:
        for row in splits[name]:
            seen.update(dict.fromkeys(columns_of(row)))
    own = [name for name in seen if name not in _ALWAYS and name != "consent"]
    return ["id", *own, *_ALWAYS[1:]]
