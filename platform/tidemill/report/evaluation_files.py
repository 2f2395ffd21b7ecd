"""`report.json` and `failures.json` of an evaluation, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.engine.measurement import Measure
from tidemill.engine.trivial_baseline import BaselineTable


@dataclass(frozen=True)
class BaselineRows:
    """The rows on which a release was compared with its baseline."""

    paired: int | None = None
    """Rows that both answered; None where that was not recorded."""
    asked_again: int = 0
    """Rows that were put to the baseline anew."""
    unpaired: int = 0
    """Rows that could not be compared."""


@dataclass(frozen=True)
class GroupReport:
    """A label, a slice or the former test set beside the live release."""

    kind: str
    """`label`, `slice` or `all`."""
    name: str
    metric: str
    rows: int
    baseline: float
    candidate: float
    got_worse: tuple[str, ...]
    """Ids of the rows."""
    got_better: int
    bound: float
    """Lower bound of the fall, corrected for the number of groups."""
    fell: bool
    visible: int | None = None
    """How many rows would have to get worse for a fall to be seen."""

    @property
    def title(self) -> str:
        """`label 'refund'`; a group of all known rows has its own name."""
        return self.name if self.kind == "all" else f"{self.kind} '{self.name}'"


@dataclass(frozen=True)
class ForgettingReport:
    """Which groups fell below the live release; empty without one."""

    margin: float = 0.0
    groups: tuple[GroupReport, ...] = ()
    too_few: Mapping[str, int] = field(default_factory=dict)
    """Groups with too few rows to judge, and how many they have."""

    @property
    def fallen(self) -> tuple[GroupReport, ...]:
        """The groups that fell by more than the margin."""
        return tuple(group for group in self.groups if group.fell)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ForgettingReport:
        """From the report's `forgetting`; raises KeyError or TypeError where that is damaged."""
        groups = (
            GroupReport(**{**group, "got_worse": tuple(group["got_worse"])})
            for group in raw.get("groups") or ()
        )
        return cls(raw.get("margin") or 0.0, tuple(groups), raw.get("too_few_rows") or {})


@dataclass(frozen=True)
class EvaluationReport:
    """`report.json`; what older versions did not record is empty."""

    rows: int = 0
    confidence: float | None = None
    """Of the intervals; None where it was not recorded."""
    unreadable: int = 0
    """Answers without the shape that the prompt asks for."""
    cut_off: int = 0
    """Answers that reached the longest allowed length."""
    gains: tuple[Measure, ...] = ()
    """Gains on the baseline, more is better; empty without a baseline."""
    baseline: BaselineRows = BaselineRows()
    trivial: BaselineTable = field(default_factory=BaselineTable)
    """Trivial baselines and the live release; empty for a report of an earlier version."""
    forgetting: ForgettingReport = ForgettingReport()

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> EvaluationReport:
        """From the file's JSON; raises TypeError or AttributeError where that is damaged."""
        baseline = raw.get("baseline") or {}
        return cls(
            rows=raw.get("rows") or 0,
            confidence=raw.get("confidence"),
            unreadable=raw.get("unreadable") or 0,
            cut_off=raw.get("cut_off") or 0,
            gains=tuple(map(Measure.from_dict, raw.get("gains") or ())),
            baseline=BaselineRows(
                baseline.get("paired"),
                baseline.get("asked_again") or 0,
                baseline.get("unpaired") or 0,
            ),
            trivial=BaselineTable.from_dict(raw.get("trivial_baselines") or {}),
            forgetting=ForgettingReport.from_dict(raw.get("forgetting") or {}),
        )


@dataclass(frozen=True)
class FailureGroup:
    """Failures that are alike: by (expected, answered) label, or by the words of their input."""

    rows: int
    expected: str
    """The right label; empty where the group goes by words."""
    answered: str
    words: str
    share_of_label: float | None
    examples: tuple[str, ...]


@dataclass(frozen=True)
class FailedRow:
    """A test row that lost points."""

    question: str
    expected: str
    answered: str
    is_valid: bool
    """False for an answer without the shape that the prompt asks for."""
    is_cut_off: bool


@dataclass(frozen=True)
class FailureReport:
    """`failures.json`: groups, largest first, and rows, worst first."""

    groups: tuple[FailureGroup, ...] = ()
    rows: tuple[FailedRow, ...] = ()

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FailureReport:
        """From the file's JSON; raises KeyError, TypeError or AttributeError where that is
        damaged."""
        return cls(
            groups=tuple(map(_group, raw.get("clusters") or ())),
            rows=tuple(map(_row, raw.get("failures") or ())),
        )


def _group(raw: Mapping[str, Any]) -> FailureGroup:
    return FailureGroup(
        rows=raw["rows"],
        expected=raw.get("wanted") or "",
        answered=raw.get("given") or "",
        words=raw.get("words") or "",
        share_of_label=raw.get("share_of_label"),
        examples=tuple(raw.get("examples") or ()),
    )


def _row(raw: Mapping[str, Any]) -> FailedRow:
    return FailedRow(
        question=raw.get("asked") or "",
        expected=raw.get("wanted") or "",
        answered=raw.get("given") or "",
        is_valid=bool(raw.get("valid")),
        is_cut_off=bool(raw.get("cut_off")),
    )
