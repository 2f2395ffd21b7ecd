"""Forgetting: did a label, a slice or the former test set fall below the live release.

Every group is judged on its own, and some of twenty always look worse. So the chance of a false
alarm, 1 - confidence, is shared out: half to the groups of all known rows, half to labels and
slices, evenly (Bonferroni). A group fell only where the sign test shows that it got worse at all,
which no few rows can, and the lower bound of the fall lies above the margin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.engine.check_names import FORGETTING
from tidemill.engine.gate import GateResult, number
from tidemill.engine.paired import fall_bound, sign_test, visible_fall

GroupKind = Literal["all", "label", "slice"]
_NAMED = 5
_TINY = 1e-9


@dataclass(frozen=True)
class PairedRow:
    """One test row that both releases answered; of the scores more is better."""

    id: str
    baseline: float
    candidate: float
    subject: Hashable = None
    """Rows of one subject count as one; None stands for a subject of its own."""

    @property
    def fall(self) -> float:
        """How much worse the candidate is."""
        return self.baseline - self.candidate


@dataclass(frozen=True)
class RowGroup:
    """Rows that are judged together."""

    kind: GroupKind
    name: str
    metric: str
    rows: tuple[PairedRow, ...]

    @property
    def title(self) -> str:
        """`label 'refund'`; a group of all known rows has its own name."""
        return self.name if self.kind == "all" else f"{self.kind} '{self.name}'"

    @property
    def falls(self) -> list[float]:
        """The mean fall of each subject."""
        subjects: dict[Hashable, list[float]] = defaultdict(list)
        for row in self.rows:
            subjects[row.id if row.subject is None else ("subject", row.subject)].append(row.fall)
        return [sum(falls) / len(falls) for falls in subjects.values()]


@dataclass(frozen=True)
class GroupComparison:
    """A group with what was found of it."""

    group: RowGroup
    bound: float
    """The lower bound of its fall, corrected for the number of groups."""
    fell: bool
    visible: int | None = None
    """How many of its rows would have to get worse for a fall to be seen; None for scores that are
    no counts."""

    @property
    def worse(self) -> tuple[PairedRow, ...]:
        """The rows that got worse, by how much."""
        rows = (row for row in self.group.rows if row.fall > _TINY)
        return tuple(sorted(rows, key=lambda row: (-row.fall, row.id)))

    @property
    def better(self) -> int:
        """How many rows got better."""
        return sum(row.fall < -_TINY for row in self.group.rows)

    @property
    def means(self) -> tuple[float, float]:
        """The mean score of the baseline and of the candidate."""
        rows = self.group.rows
        count = max(1, len(rows))
        return sum(r.baseline for r in rows) / count, sum(r.candidate for r in rows) / count

    def describe(self, margin: float) -> str:
        """The group, its counts, the bound, and the first of the rows that got worse."""
        before, after = (number(mean) for mean in self.means)
        names = ", ".join(row.id[:12] for row in self.worse[:_NAMED])
        etc = ", …" if len(self.worse) > _NAMED else ""
        return (
            f"{self.group.title} fell from {self.group.metric} {before} to {after} on "
            f"{len(self.group.rows)} rows ({len(self.worse)} got worse, {self.better} better): "
            f"the lower bound of the fall, {number(self.bound)}, is above {number(margin)}; "
            f"rows {names}{etc}"
        )

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `report.json`."""
        before, after = self.means
        return {
            "kind": self.group.kind,
            "name": self.group.name,
            "metric": self.group.metric,
            "rows": len(self.group.rows),
            "baseline": before,
            "candidate": after,
            "got_better": self.better,
            "got_worse": [row.id for row in self.worse],
            "bound": self.bound,
            "visible": self.visible,
            "fell": self.fell,
        }


@dataclass(frozen=True)
class ForgettingVerdict:
    """All groups with at least one row that could be judged, and those with too few rows."""

    margin: float
    groups: tuple[GroupComparison, ...]
    too_few: tuple[RowGroup, ...] = ()

    @property
    def fallen(self) -> tuple[GroupComparison, ...]:
        """The groups that fell by more than the margin."""
        return tuple(group for group in self.groups if group.fell)

    @property
    def result(self) -> GateResult:
        """As one gate: the worst group's numbers, and a sentence for each that fell."""
        message = "; ".join(group.describe(self.margin) for group in self.fallen)
        worst = max(self.groups, key=lambda g: (g.fell, g.bound), default=None)
        if worst is None:
            return GateResult(FORGETTING, True, self._unjudged() or "no row to compare", "")
        before, after = worst.means
        part = worst.group.name if worst.group.kind == "slice" else None
        bound = worst.bound
        return GateResult(
            FORGETTING, not self.fallen, message or self._holds(), worst.group.metric, part,
            after - before, bound, self.margin, self.margin - bound, len(worst.group.rows),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """The JSON form of `report.json`."""
        return {
            "margin": self.margin,
            "groups": [group.to_dict() for group in self.groups],
            "too_few_rows": {group.title: len(group.rows) for group in self.too_few},
        }

    def _holds(self) -> str:
        titles = [group.group.title for group in self.groups]
        names = ", ".join(titles[:_NAMED]) + (", …" if len(titles) > _NAMED else "")
        unjudged = self._unjudged()
        first = self.groups[0]
        seen = (
            f"; {first.visible} of {len(first.group.rows)} rows would show" if first.visible else ""
        )
        return (
            f"nothing is shown to have fallen by more than {number(self.margin)} below the "
            f"baseline, of {names}{seen}{f'; {unjudged}' if unjudged else ''}"
        )

    def _unjudged(self) -> str:
        if not self.too_few:
            return ""
        names = ", ".join(group.title for group in self.too_few[:_NAMED])
        return f"too few rows to judge {names}{', …' if len(self.too_few) > _NAMED else ''}"


def judge_forgetting(
    groups: Iterable[RowGroup], *, margin: float, confidence: float = 0.95
) -> ForgettingVerdict:
    """Compare each group; of equal candidates one that is refused is rarer than 1 - confidence."""
    present = [group for group in groups if group.rows]
    judged: list[GroupComparison] = []
    for part in ([g for g in present if g.kind == "all"], [g for g in present if g.kind != "all"]):
        half = (1 - confidence) / 2
        able = [group for group in part if 0.5 ** len(group.falls) <= half / len(part)]
        judged += [_compare(group, margin, half / len(able)) for group in able]
    compared = {id(item.group) for item in judged}
    return ForgettingVerdict(
        margin, tuple(judged), tuple(group for group in present if id(group) not in compared)
    )


def _compare(group: RowGroup, margin: float, level: float) -> GroupComparison:
    falls = group.falls
    bound = fall_bound(falls, level)
    counts = all(fall in (-1, 0, 1) for fall in falls)
    visible = visible_fall(len(falls), margin, level) if counts else None
    return GroupComparison(group, bound, _got_worse(falls, level) and bound > margin, visible)


def _got_worse(falls: Sequence[float], level: float) -> bool:
    worse = len([fall for fall in falls if fall > _TINY])
    return sign_test(worse, len([fall for fall in falls if fall < -_TINY])) <= level
