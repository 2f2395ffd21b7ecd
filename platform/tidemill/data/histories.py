"""Rows of a ranking dataset: what a visitor looked at, and what came next."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tidemill.data.catalogue import Catalogue
from tidemill.data.rows import ANSWER, EVENT, FEEDBACK, UNVERIFIED, VOTE, Dropped, is_review
from tidemill.data.votes import COUNTED, RATED_BAD, SettledRows
from tidemill.rows import DatasetRow, MutableRow

QUESTION = ("subject", "history")
"""Columns of what a row asks: two visitors with one history may well go different ways."""
_BETWEEN = re.compile(r"[\s,]+")


def read_history(value: Any) -> list[str] | None:
    """Item ids, oldest first, from a list, a JSON list, or ids with spaces or commas between; None
    for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, str):
        return [item for item in _BETWEEN.split(value) if item]
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(i, (str, int)) for i in value):
        return None
    return [str(item).strip() for item in value if str(item).strip()]


def with_histories(
    rows: Sequence[MutableRow], catalogue: Catalogue
) -> tuple[list[MutableRow], Dropped]:
    """Rows with their history as a list, and the unusable ones with the reason.

    A history keeps items that are not sold any more; what came next has to be in the catalogue, and
    new to the visitor, since a recommendation leaves out what the visitor has had.
    """
    usable: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        history, label = read_history(row.get("history")), str(row.get("label") or "")
        reason = _reason(history, label, catalogue)
        if reason and not is_review(row):
            dropped.append((row, reason))
        else:
            usable.append({**row, "history": history or []})
    return usable, dropped


def _reason(history: list[str] | None, label: str, catalogue: Catalogue) -> str:
    if history is None:
        return "unusable history: it is no list of item ids"
    if label and label not in catalogue.place:
        return f"unknown item: '{label}' is not in the catalogue"
    if label in history:
        return f"repeated: '{label}' is in the history already"
    return ""


def chosen_items(rows: Sequence[MutableRow]) -> SettledRows:
    """Rows of what visitors took up of an answer, each item of an answer once.

    Nobody votes on a visitor's choice, and no reviewer knows better. Who saw other items would have
    chosen others, so such a row trains and never tests.
    """
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    counted: set[tuple[str, str]] = set()
    for row in rows:
        choice = (str(row.get(ANSWER) or row.get(EVENT)), str(row.get("label")))
        if not row.get(FEEDBACK):
            remaining.append(row)
        elif is_review(row):
            dropped.append((row, "review without a row: what a visitor chose needs no verdict"))
        elif row.get(VOTE) == "down":
            dropped.append((row, f"{RATED_BAD}: nobody said what would be right"))
        elif choice in counted:
            dropped.append((row, f"{COUNTED}: the same item of the same answer"))
        else:
            counted.add(choice)
            remaining.append({**row, UNVERIFIED: True})
    return SettledRows(remaining, dropped)


def sequences(rows: Sequence[DatasetRow]) -> list[list[str]]:
    """The items of each visit in order, what came next last; a visitor's equal visits are one, and
    of those that begin alike only the longest counts. Rows of weight 0 are left out."""
    visits = dict.fromkeys(
        (str(row.get("subject") or f"row {number}"), (*row["history"], str(row["label"])))
        for number, row in enumerate(rows)
        if row.get("weight") != 0
    )
    begun = {(subject, items[:end]) for subject, items in visits for end in range(1, len(items))}
    return [list(items) for subject, items in visits if (subject, items) not in begun]
