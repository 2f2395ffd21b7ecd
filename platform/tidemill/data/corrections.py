"""Free answers, which nobody votes on: the newest correction counts, or the newest review."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.data.reviews import Outcome, open_outcomes, reviewed_outcomes, split_reviews
from tidemill.data.rows import ANSWER, EVENT, FEEDBACK, VOTE, Dropped
from tidemill.data.votes import OUTVOTED, RATED_BAD, questions
from tidemill.rows import MutableRow


def newest_answers(
    rows: Sequence[MutableRow], outputs: Sequence[str]
) -> tuple[list[MutableRow], Dropped]:
    """Of several corrections of one answer the last one, and of a question with a review the
    reviewer's answer; with the rows that are left out. `outputs` are the columns of an answer.

    Thumbs down say nothing about what would be right.
    """
    reviewed: dict[int, Outcome] = {}
    for question in questions(rows, None):
        case = split_reviews(rows, question)
        decided = reviewed_outcomes(rows, case, outputs) if case.decision else None
        reviewed |= open_outcomes(rows, case) if decided is None else decided
    corrected = _newest_corrections([r for n, r in enumerate(rows) if n not in reviewed])
    outcomes = [
        reviewed[place] if place in reviewed else _outcome(row, corrected)
        for place, row in enumerate(rows)
    ]
    remaining = [outcome for outcome in outcomes if not isinstance(outcome, tuple)]
    return remaining, [outcome for outcome in outcomes if isinstance(outcome, tuple)]


def _newest_corrections(rows: Sequence[MutableRow]) -> set[int]:
    """Identities of the newest row about each answer."""
    last: dict[str, MutableRow] = {}
    for row in sorted(rows, key=lambda row: (str(row.get("time")), str(row.get(EVENT)))):
        if row.get(FEEDBACK) and row.get(VOTE) != "down":
            last[str(row.get(ANSWER) or row.get(EVENT))] = row
    return {id(row) for row in last.values()}


def _outcome(row: MutableRow, newest: set[int]) -> Outcome:
    if not row.get(FEEDBACK) or id(row) in newest:
        return row
    if row.get(VOTE) == "down":
        return row, f"{RATED_BAD}: nobody said what would be right"
    return row, f"{OUTVOTED}: a later correction of the same answer is used"
