"""The answer to `tidemill plan` as values, and its one JSON form.

Keys may be added to the JSON; none is removed or gets another meaning without a changelog entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_args

from tidemill.engine.cost import BudgetExcess, BudgetLimits, Estimate
from tidemill.engine.plan import PlanEntry, PlanState
from tidemill.planning.planned_traffic import PlannedTraffic

if TYPE_CHECKING:
    from tidemill.pipeline.preview import DataDifference

KINDS_WITHOUT_ARTEFACT = ("Feedback", "Trigger", "Rollout")
"""Kinds that take effect at once, without a build."""


@dataclass(frozen=True)
class PlannedAsset:
    """One asset that does not stay as it is."""

    entry: PlanEntry
    estimate: Estimate | None = None
    budget: BudgetLimits | None = None
    data: DataDifference | None = None
    """Of a Dataset: how its rows differ from those of the base."""
    data_note: str = ""
    """Why the rows could not be compared."""

    @property
    def is_built(self) -> bool:
        """True where a run spends time on it."""
        return self.entry.is_rebuilt and self.entry.kind not in KINDS_WITHOUT_ARTEFACT

    def to_dict(self) -> dict[str, object]:
        """JSON."""
        return {
            "project": self.entry.project,
            "name": self.entry.name,
            "kind": self.entry.kind,
            "state": self.entry.state,
            "reason": self.entry.reason,
            "fields": [asdict(change) for change in self.entry.fields],
            "makes": self.is_built,
            "estimate": asdict(self.estimate) if self.estimate else None,
            "budget": asdict(self.budget) if self.budget else None,
            "data": difference_to_dict(self.data) if self.data else None,
            "data_note": self.data_note,
        }


@dataclass(frozen=True)
class PlanTotals:
    """All builds of a plan together."""

    builds: int
    estimate: Estimate | None
    without_history: tuple[str, ...]
    """Assets without an estimate, `project/name`."""


@dataclass(frozen=True)
class PlannedApproval:
    """A rollout that a person has to approve."""

    project: str
    name: str
    by: tuple[str, ...]
    """Who may approve, by e-mail address; anybody when empty."""
    before_percent: int | None
    not_by_author: bool


@dataclass(frozen=True)
class PlanReport:
    """What a change would do."""

    base_ref: str
    """The branch or commit that was named."""
    base_commit: str
    """The merge base of that and the head."""
    head_commit: str
    is_working_tree: bool
    """True where the files as they lie here are planned, not a commit."""
    has_ledger: bool
    """False where nothing is known of what is built."""
    counts: Mapping[PlanState, int]
    base_problems: tuple[str, ...]
    assets: tuple[PlannedAsset, ...]
    """All that do not stay as they are."""
    totals: PlanTotals
    over_budget: tuple[BudgetExcess, ...]
    traffic: tuple[PlannedTraffic, ...]
    approvals: tuple[PlannedApproval, ...]

    @property
    def exit_code(self) -> int:
        """3 where a person has to agree, a budget is exceeded or a rollout cannot finish, 2 where
        something changes."""
        if self.approvals or self.over_budget or any(t.cannot_finish for t in self.traffic):
            return 3
        quiet = ("cosmetic", "blocked")
        return 2 if any(asset.entry.state not in quiet for asset in self.assets) else 0

    def to_dict(self) -> dict[str, object]:
        """The JSON of `tidemill plan --json`."""
        return {
            "against": self.base_ref,
            "base": self.base_commit,
            "head": self.head_commit,
            "working_tree": self.is_working_tree,
            "ledger": self.has_ledger,
            "counts": {state: self.counts.get(state, 0) for state in get_args(PlanState)},
            "base_problems": list(self.base_problems),
            "assets": [asset.to_dict() for asset in self.assets],
            "totals": {
                "makes": self.totals.builds,
                "estimate": asdict(self.totals.estimate) if self.totals.estimate else None,
                "without_history": list(self.totals.without_history),
            },
            "over_budget": [excess_to_dict(excess) for excess in self.over_budget],
            "traffic": [traffic.to_dict() for traffic in self.traffic],
            "approvals": [asdict(approval) for approval in self.approvals],
            "exit_code": self.exit_code,
        }


def excess_to_dict(excess: BudgetExcess) -> dict[str, object]:
    """JSON."""
    return {
        "project": excess.project,
        "name": excess.name,
        "what": excess.budget,
        "limit": excess.limit,
        "expected": excess.expected,
        "by": excess.excess,
    }


def difference_to_dict(data: DataDifference) -> dict[str, object]:
    """JSON of how a dataset differs, without its rows."""
    from tidemill.data.compare import source_lines

    rows = data.rows
    return {
        "splits": {name: asdict(split) for name, split in rows.splits.items()},
        "moved": rows.moved_count,
        "added_at": source_lines(rows.added),
        "removed_at": source_lines(rows.removed),
        "changed_at": source_lines(after for _, after in rows.changed),
        "labels": {label: list(pair) for label, pair in data.labels.items()},
        "pii": data.pii,
        "pii_at": list(data.pii_locations),
        "leaking": list(data.leaking_rows),
        "kept_out": list(data.excluded_leaks),
        "leaks": list(data.leaks),
        "quarantined": {reason: list(pair) for reason, pair in data.quarantined.items()},
        "kept": list(data.unread_sources),
    }
