"""How two makings of a dataset differ: rows added, removed, changed and moved between splits."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.data import SPLITS
from tidemill.data.rows import ORIGIN, OURS, Row, question_of

Splits = Mapping[str, Sequence[Row]]
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
class _Place:
    split: str
    question: str
    row: Row


@dataclass
class RowChanges:
    """All splits of a dataset on both sides; a row is counted once."""

    splits: dict[str, SplitChange]
    moved: int = 0
    """The same row in another split."""
    added: list[Row] = field(default_factory=list, repr=False)
    removed: list[Row] = field(default_factory=list, repr=False)
    changed: list[tuple[Row, Row]] = field(default_factory=list, repr=False)
    """(before, after)."""

    @property
    def any(self) -> bool:
        """True where something differs."""
        return bool(self.moved or self.added or self.removed or self.changed)


def compare(before: Splits, after: Splits) -> RowChanges:
    """Rows are the same by what they hold; of the others, those that ask the same belong
    together."""
    found = RowChanges({name: SplitChange() for name in SPLITS})
    for name in SPLITS:
        found.splits[name].before = len(before.get(name, ()))
        found.splits[name].after = len(after.get(name, ()))
    gone, new = _unequal(before, after)
    found.moved, gone, new = _moved(gone, new)
    waiting: dict[str, list[_Place]] = defaultdict(list)
    for place in gone:
        waiting[place.question].append(place)
    for place in new:
        if partners := waiting[place.question]:
            found.changed.append((partners.pop(0).row, place.row))
            found.splits[place.split].changed += 1
        else:
            found.added.append(place.row)
            found.splits[place.split].added += 1
    for place in (one for partners in waiting.values() for one in partners):
        found.removed.append(place.row)
        found.splits[place.split].removed += 1
    return found


def content(row: Mapping[str, object]) -> str:
    """What a row holds, whatever file it stands in."""
    kept = {k: v for k, v in row.items() if not k.startswith(OURS) and k not in _ASIDE}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)


def fresh(rows: Iterable[Row], before: Iterable[Row]) -> list[Row]:
    """Rows that were not there before."""
    known = Counter(map(content, before))
    found = []
    for row in rows:
        text = content(row)
        if known[text]:
            known[text] -= 1
        else:
            found.append(row)
    return found


def origins(rows: Iterable[Row], most: int = 3) -> list[str]:
    """Where the first of these rows stand, as `file:line`."""
    return [str(row[ORIGIN]) for row in rows if row.get(ORIGIN)][:most]


def _unequal(before: Splits, after: Splits) -> tuple[list[_Place], list[_Place]]:
    """Rows of either side that are not in the same split of the other."""
    gone: list[_Place] = []
    new: list[_Place] = []
    for name in SPLITS:
        old, now = before.get(name, ()), after.get(name, ())
        gone += [_Place(name, question_of(row), row) for row in fresh(old, now)]
        new += [_Place(name, question_of(row), row) for row in fresh(now, old)]
    return gone, new


def _moved(gone: list[_Place], new: list[_Place]) -> tuple[int, list[_Place], list[_Place]]:
    """How many rows only changed their split, and the others."""
    there: dict[str, list[_Place]] = defaultdict(list)
    for place in new:
        there[content(place.row)].append(place)
    stay: list[_Place] = []
    for place in gone:
        twins = there[content(place.row)]
        if twins:
            twins.pop(0)
        else:
            stay.append(place)
    left = [place for twins in there.values() for place in twins]
    return len(gone) - len(stay), stay, left
