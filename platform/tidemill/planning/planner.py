"""Makes the report of a plan: compares revisions, looks at what is built, and estimates costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tidemill.engine.cost import BudgetExcess, BudgetLimits, Estimate, budget_excess, total
from tidemill.engine.plan import PlanEntry, PlanState, plan, with_built_state
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import ASSET_KINDS, NeverBuilt
from tidemill.planning.dataset_differences import dataset_differences
from tidemill.planning.planned_traffic import planned_traffic
from tidemill.planning.report import (
    KINDS_WITHOUT_ARTEFACT,
    PlannedApproval,
    PlannedAsset,
    PlanReport,
    PlanTotals,
)
from tidemill.planning.revisions import Revisions
from tidemill.ports import Clock
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.home import Home
    from tidemill.pipeline.preview import DataDifference


def plan_report(settings: Settings, revisions: Revisions, clock: Clock) -> PlanReport:
    """What the change would do, and what is not built here though nothing of it changed."""
    home = _home(settings)
    entries, desired = _entries(revisions, home)
    changed = [entry for entry in entries if entry.state != "reused"]
    rebuilt = [entry for entry in changed if entry.is_rebuilt]
    data, notes = dataset_differences(revisions, rebuilt, clock)
    ledger = home.ledger if home and rebuilt else None
    estimates, over_budget = _estimates(settings, revisions, desired, rebuilt, data, ledger)
    rollouts = [desired[entry.key] for entry in rebuilt if entry.kind == "Rollout"]
    return PlanReport(
        base_ref=revisions.base_ref,
        base_commit=revisions.base.commit,
        head_commit=revisions.head_commit,
        is_working_tree=not revisions.head.commit,
        has_ledger=home is not None,
        counts=_counts(revisions, entries),
        base_problems=tuple(map(str, revisions.problems)),
        assets=tuple(
            PlannedAsset(
                entry,
                estimates.get(entry.key),
                _limits(desired.get(entry.key)),
                data.get(entry.key),
                notes.get(entry.key, ""),
            )
            for entry in changed
        ),
        totals=_totals(rebuilt, estimates),
        over_budget=tuple(over_budget),
        traffic=tuple(planned_traffic(rollout, ledger, clock.now()) for rollout in rollouts),
        approvals=tuple(_approvals(rollouts)),
    )


def _counts(revisions: Revisions, entries: Sequence[PlanEntry]) -> Mapping[PlanState, int]:
    counts: Counter[PlanState] = Counter(entry.state for entry in entries)
    planned = {entry.key for entry in entries}
    if not planned.issuperset(revisions.unchanged_summaries()):
        counts["reused"] += revisions.unchanged_count()
    return counts


def _home(settings: Settings) -> Home | None:
    """The home, where it has a ledger; a plan begins none."""
    if not settings.has_ledger:
        return None
    from tidemill.home import Home

    return Home(settings)


def _entries(
    revisions: Revisions, home: Home | None
) -> tuple[list[PlanEntry], dict[str, SpecSnapshot]]:
    """Every asset with its state, sorted by project; and the specs of those that change.

    Without a ledger, projects in which no file differs are left out: nothing is known of them.
    """
    entries = plan(revisions.desired, revisions.former)
    unchanged = all(entry.state in ("reused", "cosmetic") for entry in entries)
    if home is None and not (unchanged and revisions.is_default_branch):
        return list(entries), revisions.desired
    summaries = revisions.unchanged_summaries()
    desired = {**summaries, **revisions.desired}
    entries = plan(desired, {**summaries, **revisions.former})
    entries = _with_built_state(entries, revisions, desired, home)
    projects = {entry.project for entry in entries if entry.state != "reused"}
    return list(entries), {**revisions.unchanged_specs(projects), **revisions.desired}


def _with_built_state(
    entries: Sequence[PlanEntry],
    revisions: Revisions,
    desired: Mapping[str, SpecSnapshot],
    home: Home | None,
) -> tuple[PlanEntry, ...]:
    """The entries with what is built here; without a ledger nothing is built."""
    if home is None:
        assets = (key for key, spec in desired.items() if spec.kind in ASSET_KINDS)
        return with_built_state(entries, dict.fromkeys(assets, NeverBuilt()))
    from tidemill.planning.recorded_state import built_entries

    return built_entries(home, entries, desired, revisions.former)


def _estimates(
    settings: Settings,
    revisions: Revisions,
    desired: Mapping[str, SpecSnapshot],
    rebuilt: Sequence[PlanEntry],
    data: Mapping[str, DataDifference],
    ledger: Ledger | None,
) -> tuple[dict[str, Estimate], list[BudgetExcess]]:
    builds = [entry for entry in rebuilt if entry.kind not in KINDS_WITHOUT_ARTEFACT]
    if ledger is None or not builds:
        return {}, []
    from tidemill.planning.costs import CostEstimator

    history = ledger.materialisations.build_costs(sorted({entry.kind for entry in builds}))
    costs = CostEstimator(history, desired, revisions.former, data, settings.price_per_hour)
    estimates = {entry.key: estimate for entry in builds if (estimate := costs.estimate(entry))}
    workloads = ((costs.workload(entry), estimates.get(entry.key)) for entry in builds)
    return estimates, [excess for pair in workloads for excess in budget_excess(*pair)]


def _limits(spec: SpecSnapshot | None) -> BudgetLimits | None:
    budget = spec.fields.get("budget") if spec else None
    return BudgetLimits(**budget) if budget else None


def _totals(rebuilt: Sequence[PlanEntry], estimates: Mapping[str, Estimate]) -> PlanTotals:
    builds = [entry.key for entry in rebuilt if entry.kind not in KINDS_WITHOUT_ARTEFACT]
    without_history = tuple(key for key in builds if key not in estimates)
    return PlanTotals(len(builds), total(estimates.values()), without_history)


def _approvals(rollouts: Iterable[SpecSnapshot]) -> Iterator[PlannedApproval]:
    for rollout in rollouts:
        approval = rollout.fields.get("approval")
        if approval:
            yield PlannedApproval(
                rollout.project,
                rollout.name,
                tuple(approval["by"]),
                approval["before_percent"],
                approval["not_by_author"],
            )
