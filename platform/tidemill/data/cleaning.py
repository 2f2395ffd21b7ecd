"""The cleaning steps of a dataset, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidemill.data.rows import Dropped, is_review
from tidemill.rows import MutableRow
from tidemill.spec.dataset import CleanStep


def apply(
    rows: Sequence[MutableRow], steps: Iterable[CleanStep]
) -> tuple[list[MutableRow], Dropped]:
    """The rows after every step, and those that a step dropped with its reason.

    A step changes a review like the rows that it judges, and drops none: a verdict counts even
    where a step would leave its row out.
    """
    reviews = [row for row in rows if is_review(row)]
    remaining = [row for row in rows if not is_review(row)]
    quarantine: Dropped = []
    for step in steps:
        remaining, dropped = _apply(step, remaining)
        quarantine += dropped
        cleaned, kept_out = _apply(step, reviews) if reviews else ([], [])
        every = [*cleaned, *(row for row, _ in kept_out)]
        reviews = every if len(every) == len(reviews) else reviews
    return remaining + reviews, quarantine


def _apply(step: CleanStep, rows: list[MutableRow]) -> tuple[list[MutableRow], Dropped]:
    cleaned, dropped = step.catalog.load(step.type).apply(rows, step.options)
    return list(cleaned), list(dropped)
