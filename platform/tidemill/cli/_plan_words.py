"""The sentences of a plan, which text and Markdown share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tidemill.amounts import format_number, format_seconds
from tidemill.cli._forecast_text import forecast_lines
from tidemill.engine.cost import BudgetExcess, Estimate
from tidemill.engine.plan import PlanState
from tidemill.engine.ratings_needed import RatingRate, StepEstimate, format_days
from tidemill.engine.spec_snapshot import FieldChange
from tidemill.planning.planned_traffic import PlannedTraffic, QualityLimit
from tidemill.planning.report import PlannedApproval, PlannedAsset, PlanReport
from tidemill.terminal.amounts import (
    format_bytes,
    format_count,
    format_spread,
    format_value,
    strip_control,
)

if TYPE_CHECKING:
    from tidemill.data.compare import RowChanges
    from tidemill.pipeline.preview import DataDifference

Quote = Callable[[str], str]
"""Makes text from a spec harmless where it is shown."""
STATE_WORDS: Mapping[PlanState, str] = {
    "changed": "changed",
    "new": "new",
    "stale": "stale",
    "never_built": "never built here",
    "missing_artefact": "missing artefact",
    "blocked": "blocked",
    "removed": "removed",
    "cosmetic": "cosmetic",
}


def summary_line(report: PlanReport) -> str:
    """The one line that a reviewer reads first."""
    total, counts = report.totals.estimate, report.counts
    parts = [
        f"{counts[state]:,} {words}"
        for state, words in STATE_WORDS.items()
        if state != "cosmetic" and counts.get(state)
    ]
    if not parts:
        return _no_changes(report)
    line = f"{', '.join(parts)}; {_unchanged(report):,} reused"
    if total:
        unknown = len(report.totals.without_history)
        but = f" without {unknown} that have no history yet" if unknown else ""
        line += f". About {format_spread(total.seconds, format_seconds)}{but}"
        line += f", {format_money(total)}" if total.money else ""
        line += f", {format_bytes(total.memory.median)} of memory" if total.memory else ""
    return f"{line}."


def _unchanged(report: PlanReport) -> int:
    return report.counts.get("reused", 0) + report.counts.get("cosmetic", 0)


def _no_changes(report: PlanReport) -> str:
    unchanged = _unchanged(report)
    if report.has_ledger:
        be = "is" if unchanged == 1 else "are"
        line = f"Nothing to build: {format_count(unchanged, 'asset')} {be} up to date"
    else:
        line = f"No asset changes: {format_count(unchanged, 'asset')} reused"
    cosmetic = report.counts.get("cosmetic", 0)
    if cosmetic:
        line += f", {cosmetic} of them with another description or layout"
    if not report.has_ledger:
        line += ". There is no ledger here, so the plan does not know what is built"
    return f"{line}."


def comparison_line(report: PlanReport) -> str:
    """What was compared with what."""
    head = "the working tree" if report.is_working_tree else report.head_commit[:12]
    base = f"{strip_control(report.base_ref)}, merge base {report.base_commit[:12]}"
    built = ", and with what is built here" if report.has_ledger else ""
    return f"{head} compared with {base}{built}"


def format_money(estimate: Estimate) -> str:
    """The money of an estimate, in the currency of the price; empty without one."""
    return f"cost {format_spread(estimate.money, _amount)}" if estimate.money else ""


def _amount(money: float) -> str:
    return "under 0.01" if 0 < money < 0.01 else f"{money:,.2f}"


def reason_lines(asset: PlannedAsset, quote: Quote) -> list[str]:
    """What differs, or what makes it stale."""
    entry = asset.entry
    lines = [entry.reason] if entry.reason else []
    lines += [_field_line(change, quote) for change in entry.fields]
    if entry.state == "changed" and not lines:
        lines.append("its previous spec is invalid")
    return lines


def _field_line(change: FieldChange, quote: Quote) -> str:
    old, new = change.old, change.new
    path = quote(strip_control(change.path))
    if any(isinstance(side, str) and side.startswith("sha256:") for side in (old, new)):
        verb = "is new" if old is None else "is gone" if new is None else "has other contents"
        return f"{path} {verb}"
    return f"{path}: {quote(format_value(old))} → {quote(format_value(new))}"


def estimate_line(asset: PlannedAsset) -> str:
    """Time, memory and money; empty where nothing is built."""
    estimate = asset.estimate
    if not asset.is_built:
        return ""
    if estimate is None:
        return "no history yet"
    parts = [format_spread(estimate.seconds, format_seconds)]
    parts += [format_bytes(estimate.memory.median)] if estimate.memory else []
    parts += [format_money(estimate)] if estimate.money else []
    others = "" if estimate.basis == "asset" else " of other assets of this kind"
    return f"{', '.join(parts)}; from {format_count(estimate.runs, 'run')}{others}"


def dataset_lines(asset: PlannedAsset, quote: Quote) -> Iterator[str]:
    """How the rows of a dataset differ, or why that is not known."""
    if asset.data_note:
        yield f"rows not compared: {quote(format_value(asset.data_note))}"
    if asset.data is not None:
        yield from difference_lines(asset.data, quote)


def difference_lines(data: DataDifference, quote: Quote) -> Iterator[str]:
    """How the rows of a dataset differ."""
    yield from split_lines(data.rows)
    balance = _balance(data.labels, quote)
    if balance:
        yield f"labels: {balance}"
    if data.pii:
        kinds = ", ".join(f"{count} {kind}" for kind, count in data.pii.items())
        yield f"new personal data: {kinds} ({_locations(data.pii_locations, quote)})"
    yield from _leakage(data, quote)
    dropped = [f"{quote(strip_control(k))} {a} → {b}" for k, (a, b) in data.quarantined.items()]
    if dropped:
        yield f"left out: {', '.join(dropped)}"
    if data.unread_sources:
        sources = ", ".join(quote(strip_control(source)) for source in data.unread_sources)
        yield f"not compared: {sources} (a build keeps the offsets or revision of the last build)"


def split_lines(rows: RowChanges) -> Iterator[str]:
    """One line for each split that changes."""
    for name, split in rows.splits.items():
        counts = ((split.added, "added"), (split.removed, "removed"), (split.changed, "changed"))
        moves = ", ".join(f"{count:,} {verb}" for count, verb in counts if count)
        if moves or split.before != split.after:
            yield f"{name}: {split.before:,} → {split.after:,} rows ({moves or 'moved'})"
    if rows.moved_count:
        yield f"{format_count(rows.moved_count, 'row')} moved between splits"
    elif not rows.has_changes:
        yield "no row changes"


def _balance(labels: Mapping[str, Sequence[int]], quote: Quote, most: int = 5) -> str:
    before, after = (sum(pair[side] for pair in labels.values()) for side in (0, 1))
    moved = [
        (abs(pair[1] / max(after, 1) - pair[0] / max(before, 1)), label, pair)
        for label, pair in labels.items()
        if pair[0] != pair[1]
    ]
    lines = [
        f"{quote(format_value(label))} {pair[0]:,} → {pair[1]:,}"
        for _, label, pair in sorted(moved, key=lambda move: (-move[0], move[1]))[:most]
    ]
    rest = len(moved) - len(lines)
    return ", ".join(lines) + (f" and {rest} more" if rest else "")


def _leakage(data: DataDifference, quote: Quote) -> Iterator[str]:
    if data.leaking_rows[1]:
        yield f"LEAKAGE: {data.leaking_rows[1]} train rows ask what a test row asks"
    before, after = data.excluded_leaks
    if after != before:
        locations = f": {_locations(data.leaks, quote)}" if data.leaks else ""
        yield f"kept out of train because the test asks the same: {before} → {after}{locations}"


def _locations(locations: Sequence[str], quote: Quote) -> str:
    return ", ".join(quote(format_value(location)) for location in locations)


def traffic_lines(traffic: PlannedTraffic, quote: Quote) -> list[str]:
    """What a rollout does to its service."""
    steps = " → ".join(f"{step.percent} %" for step in traffic.steps)
    lines = [f"{quote(traffic.service)}: {traffic.mode} {steps}"]
    if traffic.blocked:
        lines.append(traffic.blocked)
    lines += _rating_lines(traffic)
    if traffic.forecast:
        metric = traffic.quality.metric if traffic.quality else None
        lines += forecast_lines(traffic.forecast, metric)
    return lines


def _rating_lines(traffic: PlannedTraffic) -> list[str]:
    quality = traffic.quality
    if not quality:
        return ["guardrails only, no user ratings"]
    lines = [_wait_line(wait, quality, traffic.ratings) for wait in traffic.waits]
    if traffic.ratings or traffic.forecast:
        return lines
    unknown = f"no {quality.metric} ratings in the last 28 days: how many days it takes is unknown"
    return [*lines, unknown]


def _wait_line(wait: StepEstimate, quality: QualityLimit, pace: RatingRate | None) -> str:
    margin = f"{quality.metric} within {quality.margin:g}"
    if wait.ratings is None:
        return f"at {wait.percent} %: ratings cannot show {margin}"
    count = f"{wait.ratings:,}"
    if pace is None or wait.days is None:
        return f"at {wait.percent} %: at most {count} ratings are needed to show {margin}"
    rate = f"{format_number(pace.per_day)} a day"
    days = f"{rate} that is {format_days(wait.days)}"
    return f"at {wait.percent} %: {count} ratings are needed to show {margin}; at {days}"


def approval_line(approval: PlannedApproval, quote: Quote) -> str:
    """Who has to approve, and when."""
    people = ", ".join(quote(strip_control(person)) for person in approval.by) or "anybody"
    before = approval.before_percent
    when = f" before traffic reaches {before} %" if before is not None else ""
    return f"{approval.project}/{approval.name}: {people}{when}"


def excess_line(excess: BudgetExcess) -> str:
    """Which budget, and by how much."""
    amounts = (excess.limit, excess.expected, excess.excess)
    if excess.budget == "hours":
        limit, expected, over = (format_seconds(hours * 3600) for hours in amounts)
    else:
        limit, expected, over = (f"{money:,.2f}" for money in amounts)
    return f"{excess.project}/{excess.name}: {expected} expected, {limit} allowed, {over} over"
