"""Differences of two datasets: rows added, removed, changed and moved between splits."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.data import SPLITS
from tidemill.data.rows import ORIGIN, PREFIX, question_of
from tidemill.rows import DatasetRow

Splits = Mapping[str, Sequence[DatasetRow]]
_ASIDE = ("id", "weight", "source")
"""Columns that may differ while the row is the same."""


@dataclass
class SplitChange:
    """One split on both sides."""

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    """Rows that ask the same and say something else."""


@dataclass(frozen=True)
class _RowLocation:
    split: str
    question: str
    row: DatasetRow


@dataclass
class RowChanges:
    """All splits of a dataset on both sides; a row is counted once."""

    splits: dict[str, SplitChange]
    moved_count: int = 0
    """Number of rows that are in another split."""
    added: list[DatasetRow] = field(default_factory=list, repr=False)
    removed: list[DatasetRow] = field(default_factory=list, repr=False)
    changed: list[tuple[DatasetRow, DatasetRow]] = field(default_factory=list, repr=False)
    """(before, after)."""

    @property
    def has_changes(self) -> bool:
        """True where something differs."""
        return bool(self.moved_count or self.added or self.removed or self.changed)


def compare(before: Splits, after: Splits) -> RowChanges:
    """Rows are the same by what they hold; of the others, those that ask the same belong
    together."""
    changes = RowChanges({name: SplitChange() for name in SPLITS})
    for name in SPLITS:
        changes.splits[name].before = len(before.get(name, ()))
        changes.splits[name].after = len(after.get(name, ()))
    gone, new = _unequal(before, after)
    changes.moved_count, gone, new = _match_moved(gone, new)
    waiting: dict[str, list[_RowLocation]] = defaultdict(list)
    for location in gone:
        waiting[location.question].append(location)
    for location in new:
        if partners := waiting[location.question]:
            changes.changed.append((partners.pop(0).row, location.row))
            changes.splits[location.split].changed += 1
        else:
            changes.added.append(location.row)
            changes.splits[location.split].added += 1
    for location in (partner for partners in waiting.values() for partner in partners):
        changes.removed.append(location.row)
        changes.splits[location.split].removed += 1
    return changes


def content(row: DatasetRow) -> str:
    """A row's own columns as JSON text: equal for equal rows, whichever file they are from."""
    compared = {k: v for k, v in row.items() if not k.startswith(PREFIX) and k not in _ASIDE}
    return json.dumps(compared, sort_keys=True, ensure_ascii=False, default=str)


def new_rows(rows: Iterable[DatasetRow], before: Iterable[DatasetRow]) -> list[DatasetRow]:
    """Rows that were not there before."""
    counts = Counter(map(content, before))
    unmatched = []
    for row in rows:
        text = content(row)
        if counts[text]:
            counts[text] -= 1
        else:
            unmatched.append(row)
    return unmatched


def source_lines(rows: Iterable[DatasetRow], most: int = 3) -> list[str]:
    """`file:line` of the first `most` rows that have an origin."""
    return [str(row[ORIGIN]) for row in rows if row.get(ORIGIN)][:most]


def _unequal(before: Splits, after: Splits) -> tuple[list[_RowLocation], list[_RowLocation]]:
    """Rows of either side that are not in the same split of the other."""
    gone: list[_RowLocation] = []
    new: list[_RowLocation] = []
    for name in SPLITS:
        old, now = before.get(name, ()), after.get(name, ())
        gone += [_RowLocation(name, question_of(row), row) for row in new_rows(old, now)]
        new += [_RowLocation(name, question_of(row), row) for row in new_rows(now, old)]
    return gone, new


def _match_moved(
    gone: list[_RowLocation], new: list[_RowLocation]
) -> tuple[int, list[_RowLocation], list[_RowLocation]]:
    """Number of rows that only changed their split, and the rows of both sides without them."""
    by_content: dict[str, list[_RowLocation]] = defaultdict(list)
    for location in new:
        by_content[content(location.row)].append(location)
    stay: list[_RowLocation] = []
    for location in gone:
        twins = by_content[content(location.row)]
        if twins:
            twins.pop(0)
        else:
            stay.append(location)
    added = [location for twins in by_content.values() for location in twins]
    return len(gone) - len(stay), stay, added
