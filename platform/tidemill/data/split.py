"""Dealing rows to train, validation and test so that nothing stands on both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tidemill.data import SPLITS
from tidemill.data.privacy import parse_time
from tidemill.data.rows import (
    FEEDBACK,
    PREFIX,
    SPLIT,
    UNVERIFIED,
    Dropped,
    hash_fraction,
    question_of,
)
from tidemill.errors import DataError, suggest
from tidemill.rows import MutableRow
from tidemill.spec.dataset import Split

Unit = list[int]


def apply(
    rows: Sequence[MutableRow], split: Split, held_out: Callable[[MutableRow], bool]
) -> tuple[dict[str, list[MutableRow]], Dropped]:
    """Rows by split, in their order.

    Rows that ask the same, or belong to one group, are one unit and stay together. A source's
    fixed split wins; a held-out subject goes to test with its whole unit, unless a fixed split
    says otherwise, in which case the row is left out. Feedback moves no other row from one split
    to another, and what one person alone vouches for is never tested on.
    """
    rows, dropped = _splittable_rows(rows, split)
    units = _units(rows, split)
    deal: dict[int, str] = {}
    open_units: list[Unit] = []
    for unit in units:
        fixed = next((rows[i][SPLIT] for i in unit if rows[i].get(SPLIT)), None)
        if any(held_out(rows[i]) for i in unit):
            fixed = "test"
        if fixed:
            deal |= dict.fromkeys(unit, fixed)
        else:
            open_units.append(unit)
    ours, theirs = _by_source(rows, open_units, split)
    deal |= _deal(rows, ours, split) | _deal_feedback(rows, theirs, split)
    dealt: dict[str, list[MutableRow]] = {name: [] for name in SPLITS}
    for index, row in enumerate(rows):
        side = row.get(SPLIT) or deal[index]
        if side != deal[index]:
            dropped.append((row, f"leaks into {deal[index]}: its group or subject is there"))
        elif side == "test" and row.get(UNVERIFIED):
            dropped.append((row, "unverified: only one person vouches for it"))
        else:
            dealt[side].append(row)
    return dealt, dropped


def _by_source(
    rows: Sequence[MutableRow], units: Sequence[Unit], split: Split
) -> tuple[list[Unit], list[Unit]]:
    """Units of files and units with feedback; in a split by time they are one."""
    if split.by == "time":
        return list(units), []
    theirs = [unit for unit in units if any(rows[i].get(FEEDBACK) for i in unit)]
    taken = {unit[0] for unit in theirs}
    return [unit for unit in units if unit[0] not in taken], theirs


def _splittable_rows(rows: Sequence[MutableRow], split: Split) -> tuple[list[MutableRow], Dropped]:
    """Rows that can be split; a row without a time has no place in time."""
    if not split.key or not rows:
        return list(rows), []
    columns = sorted({name for row in rows for name in row if not name.startswith(PREFIX)})
    if split.key not in columns:
        raise DataError(
            f"split.key: the rows have no column '{split.key}'; {suggest(split.key, columns)}"
        )
    if split.by != "time":
        return list(rows), []
    timed = [row for row in rows if parse_time(row.get(split.key)) is not None]
    untimed = [row for row in rows if parse_time(row.get(split.key)) is None]
    return timed, [(row, f"no time: '{split.key}' holds none to split by") for row in untimed]


def _units(rows: Sequence[MutableRow], split: Split) -> list[Unit]:
    """Rows joined by equal text or an equal group, as lists of places in order (union-find)."""
    parent = list(range(len(rows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        ties = [("text", question_of(row))]
        if (group := _group(row, split)) is not None:
            ties.append(("group", group))
        for tie in ties:
            a, b = sorted((root(first.setdefault(tie, index)), root(index)))
            parent[b] = a
    units: dict[int, Unit] = {}
    for index in range(len(rows)):
        units.setdefault(root(index), []).append(index)
    return list(units.values())


def _group(row: MutableRow, split: Split) -> str | None:
    """A row's group where the split goes by groups; a blank cell is no group."""
    value = row.get(str(split.key)) if split.by == "group" else None
    return None if value is None or not str(value).strip() else str(value)


def _deal(rows: Sequence[MutableRow], units: Sequence[Unit], split: Split) -> dict[int, str]:
    if split.by == "time":
        return _cut_by_share(_by_time(rows, units, split), split)
    drawn = {id(unit): _draw(rows, unit, split) for unit in units}
    if split.by != "stratified":
        return _by_threshold(units, drawn, split)
    strata: dict[str, list[Unit]] = {}
    for unit in units:
        strata.setdefault(str(rows[unit[0]].get(str(split.key))), []).append(unit)
    deal: dict[int, str] = {}
    for members in strata.values():
        deal |= _cut_by_share(sorted(members, key=lambda unit: drawn[id(unit)]), split)
    return deal


def _deal_feedback(
    rows: Sequence[MutableRow], units: Sequence[Unit], split: Split
) -> dict[int, str]:
    """Each unit by its own number, so that later ones move nothing; unverified ones are no test."""
    sides: dict[int, str] = {}
    for unit in units:
        number, ratios = _draw(rows, unit, split), split.ratios
        if ratios.train <= number < ratios.train + ratios.validation:
            side = "validation"
        elif number < ratios.train or any(rows[i].get(UNVERIFIED) for i in unit):
            side = "train"
        else:
            side = "test"
        sides |= dict.fromkeys(unit, side)
    return sides


def _draw(rows: Sequence[MutableRow], unit: Unit, split: Split) -> float:
    """A unit's number in [0, 1): of its group where there is one, else of its text."""
    groups = [group for i in unit if (group := _group(rows[i], split)) is not None]
    if groups:
        return hash_fraction("split", str(split.seed), "group", min(groups))
    text = min(question_of(rows[i]) for i in unit)
    return hash_fraction("split", str(split.seed), "text", text)


def _by_threshold(
    units: Sequence[Unit], drawn: Mapping[int, float], split: Split
) -> dict[int, str]:
    """Split of each row by its unit's number, so that adding rows moves no other row."""
    ratios = split.ratios
    sides = {id(unit): "test" for unit in units}
    for unit in units:
        number = drawn[id(unit)]
        if number < ratios.train:
            sides[id(unit)] = "train"
        elif number < ratios.train + ratios.validation:
            sides[id(unit)] = "validation"
    _fill_empty(units, drawn, sides, split)
    return {index: sides[id(unit)] for unit in units for index in unit}


def _fill_empty(
    units: Sequence[Unit], drawn: Mapping[int, float], sides: dict[int, str], split: Split
) -> None:
    """With few rows a wanted split may come out empty: it gets the unit nearest to it."""
    shares = split.ratios.model_dump()
    middles = {"train": 0.0, "validation": split.ratios.train, "test": 1.0}
    for name in SPLITS:
        counts = {side: sum(1 for s in sides.values() if s == side) for side in SPLITS}
        if not shares[name] or counts[name] or len(units) < 3:
            continue
        spare = [unit for unit in units if counts[sides[id(unit)]] > 1]
        if spare:
            sides[id(min(spare, key=lambda u: abs(drawn[id(u)] - middles[name])))] = name


def _by_time(rows: Sequence[MutableRow], units: Sequence[Unit], split: Split) -> list[Unit]:
    """Oldest first; a unit is as new as its newest row."""

    def newest(unit: Unit) -> tuple[float, str]:
        times = [parse_time(rows[i][str(split.key)]) for i in unit]
        return max(t.timestamp() for t in times if t), question_of(rows[unit[0]])

    return sorted(units, key=newest)


def _cut_by_share(units: Sequence[Unit], split: Split) -> dict[int, str]:
    """The first share of rows to train, the next to validation, the rest to test."""
    total = sum(map(len, units))
    edges = [split.ratios.train * total, (split.ratios.train + split.ratios.validation) * total]
    deal: dict[int, str] = {}
    passed = 0
    for unit in units:
        middle = passed + len(unit) / 2
        side = SPLITS[sum(middle > edge + 1e-9 for edge in edges)]
        deal |= dict.fromkeys(unit, side)
        passed += len(unit)
    return deal
