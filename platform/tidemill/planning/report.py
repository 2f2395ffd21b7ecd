"""The whole answer to `tidemill plan`: one value of a stable shape, which every output is made of.

Keys may be added to it; none is taken away or gets another meaning without a word in the changelog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.engine.cost import Estimate, Excess, Past, excess, total
from tidemill.engine.plan import Item, Known, plan
from tidemill.engine.ratings_needed import RatingRate, step_estimates
from tidemill.errors import DataError, MissingExtra
from tidemill.home import has_ledger
from tidemill.planning.revisions import Side, Sides
from tidemill.ports import Clock
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.adapters.ledger import Ledger
    from tidemill.pipeline.preview import DataDifference
    from tidemill.spec.load import Project

MAKES_NOTHING = ("Feedback", "Trigger", "Rollout")
"""Kinds that take effect at once, without a run."""
LOOKS_BACK = timedelta(days=28)
MOST_BYTES = 64 << 20
"""Larger data is for `tidemill data diff`."""
Report = dict[str, Any]


def report(settings: Settings, sides: Sides, clock: Clock) -> Report:
    """What the change would do; JSON-able."""
    items = plan(sides.wanted, sides.built)
    counts: Counter[str] = Counter(item.state for item in items)
    counts["reused"] += sides.equal
    told = [item for item in items if item.state != "reused"]
    runs = [item for item in told if item.runs]
    data, notes = differences(sides, runs, clock, MOST_BYTES)
    ledger = _ledger(settings) if runs else None
    estimates, over = _estimates(settings, sides, runs, data, ledger)
    approvals = _approvals(sides.wanted, runs)
    return {
        "against": sides.against,
        "base": sides.base.commit,
        "head": sides.head_commit,
        "working_tree": not sides.head.commit,
        "counts": {state: counts[state] for state in _STATES},
        "base_problems": [str(problem) for problem in sides.problems],
        "assets": [_asset(item, sides, estimates, data, notes) for item in told],
        "totals": _totals(runs, estimates),
        "over_budget": [{**asdict(one), "by": one.by} for one in over],
        "traffic": [
            _traffic(sides.wanted[item.key], item, ledger, clock) for item in _rollouts(runs)
        ],
        "approvals": approvals,
        "exit_code": _exit_code(told, bool(approvals or over)),
    }


_STATES = ("changed", "new", "stale", "removed", "cosmetic", "reused")


def differences(
    sides: Sides, items: Iterable[Item], clock: Clock, most: int | None
) -> tuple[dict[str, DataDifference], dict[str, str]]:
    """Datasets that differ, by `project/name`; and why one could not be compared."""
    found: dict[str, DataDifference] = {}
    notes: dict[str, str] = {}
    for item in items:
        if item.kind != "Dataset" or item.state not in ("changed", "new"):
            continue
        try:
            found[item.key] = compared(sides, item.project, item.name, clock, most)
        except (DataError, MissingExtra) as error:
            notes[item.key] = str(error)
    return found, notes


def compared(
    sides: Sides, project: str, name: str, clock: Clock, most: int | None = None
) -> DataDifference:
    """One dataset on both sides; raises DataError where the rows cannot be had."""
    from tidemill.pipeline.preview import difference, preview
    from tidemill.spec.dataset import Dataset

    head = _project(sides.head, project)
    spec = head.spec(name, Dataset)
    _bounded(head.folder, spec, most)
    after = preview(head, name, clock, sides.subject_key)
    before = None
    there = sides.built.get(f"{project}/{name}")
    if there and there.kind == "Dataset" and there.digest:
        before = preview(_project(sides.base, project), name, clock, sides.subject_key)
    return difference(spec, before, after)


def _project(side: Side, name: str) -> Project:
    """One project, read from its files; a link to its folder may have another name."""
    from tidemill.spec.load import read

    root = side.root([name])
    found = read(root, only=[name]).workspace.projects.get(name)
    return found or read(root).workspace.projects[name]


def _bounded(folder: Path, spec: Any, most: int | None) -> None:
    if most is None:
        return
    paths = (folder / source.path for source in spec.sources if source.type == "file")
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if size > most:
        raise DataError(
            f"{size >> 20} MiB of rows are not compared in a plan; `tidemill data diff {spec.name}`"
        )


def _ledger(settings: Settings) -> Ledger | None:
    """The ledger, where there is one; a plan makes none."""
    if not has_ledger(settings):
        return None
    from tidemill.adapters.ledger import Ledger

    return Ledger.open(settings.ledger_url)


def _estimates(
    settings: Settings,
    sides: Sides,
    runs: Sequence[Item],
    data: Mapping[str, DataDifference],
    ledger: Ledger | None,
) -> tuple[dict[str, Estimate], list[Excess]]:
    made = [item for item in runs if item.kind not in MAKES_NOTHING]
    if ledger is None or not made:
        return {}, []
    from tidemill.planning.costs import Costs

    past: list[Past] = ledger.materialisations.build_costs(sorted({item.kind for item in made}))
    costs = Costs(past, sides.wanted, sides.built, data, settings.price_per_hour)
    found = {item.key: one for item in made if (one := costs.of(item))}
    over = [one for item in made for one in excess(costs.wish(item), found.get(item.key))]
    return found, over


def _asset(
    item: Item,
    sides: Sides,
    estimates: Mapping[str, Estimate],
    data: Mapping[str, DataDifference],
    notes: Mapping[str, str],
) -> Report:
    known = sides.wanted.get(item.key)
    expected = estimates.get(item.key)
    return {
        "project": item.project,
        "name": item.name,
        "kind": item.kind,
        "state": item.state,
        "reason": item.reason,
        "fields": [asdict(change) for change in item.fields],
        "makes": item.runs and item.kind not in MAKES_NOTHING,
        "estimate": asdict(expected) if expected else None,
        "budget": known.values.get("budget") if known else None,
        "data": told(data[item.key]) if item.key in data else None,
        "data_note": notes.get(item.key, ""),
    }


def told(data: DataDifference) -> Report:
    """A dataset's differences, without its rows."""
    from tidemill.data.compare import origins

    rows = data.rows
    return {
        "splits": {name: asdict(one) for name, one in rows.splits.items()},
        "moved": rows.moved,
        "added_at": origins(rows.added),
        "removed_at": origins(rows.removed),
        "changed_at": origins(after for _, after in rows.changed),
        "labels": {label: list(pair) for label, pair in data.labels.items()},
        "pii": data.pii,
        "pii_at": list(data.pii_locations),
        "leaking": list(data.leaking_rows),
        "kept_out": list(data.excluded_leaks),
        "leaks": list(data.leaks),
        "quarantined": {reason: list(pair) for reason, pair in data.quarantined.items()},
        "kept": list(data.unread_sources),
    }


def _totals(runs: Sequence[Item], estimates: Mapping[str, Estimate]) -> Report:
    made = [item for item in runs if item.kind not in MAKES_NOTHING]
    whole = total(estimates.values())
    return {
        "makes": len(made),
        "estimate": asdict(whole) if whole else None,
        "without_history": [item.key for item in made if item.key not in estimates],
    }


def _rollouts(runs: Iterable[Item]) -> list[Item]:
    return [item for item in runs if item.kind == "Rollout"]


def _traffic(known: Known, item: Item, ledger: Ledger | None, clock: Clock) -> Report:
    values = known.values
    quality = values.get("quality")
    pace: RatingRate | None = None
    if ledger is not None and quality:
        now = clock.now()
        pace = ledger.service_metrics.rating_rate(
            values["service"], quality["metric"], now - LOOKS_BACK, now
        )
    return {
        "project": item.project,
        "name": item.name,
        "service": values["service"],
        "mode": values["mode"],
        "steps": values["steps"],
        "quality": quality,
        "ratings": {**asdict(pace), "per_day": pace.per_day} if pace else None,
        "waits": [asdict(one) for one in step_estimates(values, pace)],
    }


def _approvals(wanted: Mapping[str, Known], runs: Iterable[Item]) -> list[Report]:
    found = []
    for item in _rollouts(runs):
        approval = wanted[item.key].values.get("approval")
        if approval:
            found.append({"project": item.project, "name": item.name, **approval})
    return found


def _exit_code(told_: Sequence[Item], person: bool) -> int:
    if person:
        return 3
    return 2 if any(item.state != "cosmetic" for item in told_) else 0
