"""The sentences of a plan, which text and Markdown share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tidemill.engine.ratings_needed import format_days
from tidemill.terminal.amounts import (
    format_bytes,
    format_count,
    format_number,
    format_seconds,
    format_spread,
    format_value,
    strip_control,
)

Report = Mapping[str, Any]
Quote = Callable[[str], str]
"""Makes what a spec says harmless where it is shown."""


def summary(report: Report) -> str:
    """The one line a reviewer reads first."""
    counts, total = report["counts"], report["totals"]["estimate"]
    parts = [f"{counts[state]:,} {state}" for state in _LOUD if counts[state]]
    if not parts:
        return _nothing(report)
    line = f"{', '.join(parts)}; {counts['reused'] + counts['cosmetic']:,} reused"
    if total:
        without = len(report["totals"]["without_history"])
        but = f" without {without} that have no history yet" if without else ""
        line += f". About {format_spread(total['seconds'], format_seconds)}{but}"
        line += f", {money(total)}" if total["money"] else ""
        line += f", {format_bytes(total['memory']['median'])} of memory" if total["memory"] else ""
    return f"{line}."


_LOUD = ("changed", "new", "stale", "removed")


def _nothing(report: Report) -> str:
    counts = report["counts"]
    same = f"Nothing to make: {format_count(counts['reused'] + counts['cosmetic'], 'asset')} reused"
    if counts["cosmetic"]:
        same += f", {counts['cosmetic']} of them with other words for people or another layout"
    return f"{same}."


def compared(report: Report) -> str:
    """With what."""
    side = "the working tree" if report["working_tree"] else report["head"][:12]
    against = strip_control(report["against"])
    return f"{side} beside {against}, from {report['base'][:12]} where they parted"


def money(estimate: Report) -> str:
    """The money of an estimate, in the currency of the price."""
    return f"cost {format_spread(estimate['money'], _amount)}"


def _amount(value: float) -> str:
    return "under 0.01" if 0 < value < 0.01 else f"{value:,.2f}"


def why(asset: Report, quote: Quote) -> list[str]:
    """What differs, or what makes it stale."""
    lines = [asset["reason"]] if asset["reason"] else []
    lines += [_field(change, quote) for change in asset["fields"]]
    if asset["state"] == "changed" and not lines:
        lines.append("its former spec cannot be read")
    return lines


def _field(change: Report, quote: Quote) -> str:
    old, new = change["old"], change["new"]
    path = quote(strip_control(change["path"]))
    if any(isinstance(side, str) and side.startswith("sha256:") for side in (old, new)):
        what = "is new" if old is None else "is gone" if new is None else "has other contents"
        return f"{path} {what}"
    return f"{path}: {quote(format_value(old))} → {quote(format_value(new))}"


def takes(asset: Report) -> str:
    """Its estimate."""
    if not asset["makes"]:
        return ""
    expected = asset["estimate"]
    if expected is None:
        return "no history yet"
    parts = [format_spread(expected["seconds"], format_seconds)]
    parts += [format_bytes(expected["memory"]["median"])] if expected["memory"] else []
    parts += [money(expected)] if expected["money"] else []
    of = "" if expected["basis"] == "asset" else " of others of its kind"
    return f"{', '.join(parts)}; by {format_count(expected['runs'], 'run')}{of}"


def data(asset: Report, quote: Quote) -> Iterator[str]:
    """What becomes of a dataset's rows."""
    if asset["data_note"]:
        yield f"rows not compared: {quote(format_value(asset['data_note']))}"
    found = asset["data"]
    if found is None:
        return
    yield from rows(found)
    balance = _balance(found["labels"], quote)
    if balance:
        yield f"labels: {balance}"
    if found["pii"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found["pii"].items())
        yield f"new personal data: {kinds} ({_places(found['pii_at'], quote)})"
    yield from _leakage(found, quote)
    left = [f"{quote(strip_control(k))} {a} → {b}" for k, (a, b) in found["quarantined"].items()]
    if left:
        yield f"left out: {', '.join(left)}"
    if found["kept"]:
        kept = ", ".join(quote(strip_control(one)) for one in found["kept"])
        yield f"not looked at: {kept} (stays at its frozen offsets or revision)"


def rows(found: Report) -> Iterator[str]:
    """One line for each split that changes."""
    for name, split in found["splits"].items():
        moves = [(split["added"], "added"), (split["removed"], "removed")]
        moves.append((split["changed"], "changed"))
        said = ", ".join(f"{count:,} {what}" for count, what in moves if count)
        if said or split["before"] != split["after"]:
            yield f"{name}: {split['before']:,} → {split['after']:,} rows ({said or 'moved'})"
    if found["moved"]:
        yield f"{format_count(found['moved'], 'row')} moved between splits"
    elif not any(
        one["added"] + one["removed"] + one["changed"] for one in found["splits"].values()
    ):
        yield "the rows stay the same"


def _balance(labels: Mapping[str, Sequence[int]], quote: Quote, most: int = 5) -> str:
    before, after = (sum(pair[side] for pair in labels.values()) for side in (0, 1))
    moved = [
        (abs(pair[1] / max(after, 1) - pair[0] / max(before, 1)), label, pair)
        for label, pair in labels.items()
        if pair[0] != pair[1]
    ]
    shown = [
        f"{quote(format_value(label))} {pair[0]:,} → {pair[1]:,}"
        for _, label, pair in sorted(moved, key=lambda one: (-one[0], one[1]))[:most]
    ]
    rest = len(moved) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _leakage(found: Report, quote: Quote) -> Iterator[str]:
    if found["leaking"][1]:
        yield f"LEAKAGE: {found['leaking'][1]} train rows ask what a test row asks"
    before, after = found["kept_out"]
    if after != before:
        places = f": {_places(found['leaks'], quote)}" if found["leaks"] else ""
        yield f"kept out of train because the test asks the same: {before} → {after}{places}"


def _places(places: Sequence[str], quote: Quote) -> str:
    return ", ".join(quote(format_value(place)) for place in places)


def traffic(one: Report, quote: Quote) -> list[str]:
    """What a rollout does to its service."""
    steps = " → ".join(f"{step['percent']} %" for step in one["steps"])
    lines = [f"{quote(one['service'])}: {one['mode']} {steps}"]
    quality = one["quality"]
    if not quality:
        return [*lines, "judged by its guardrails alone, not by ratings"]
    pace = one["ratings"]
    for wait in one["waits"]:
        lines.append(_wait(wait, quality, pace))
    if not pace:
        lines.append(f"no {quality['metric']} ratings in 28 days, so no number of days")
    return lines


def _wait(wait: Report, quality: Report, pace: Report | None) -> str:
    margin = f"{quality['metric']} within {quality['margin']:g}"
    if wait["ratings"] is None:
        return f"at {wait['percent']} %: no number of ratings shows {margin}"
    count = f"{wait['ratings']:,}"
    if pace is None or wait["days"] is None:
        return f"at {wait['percent']} %: at most {count} ratings show {margin}"
    rate = f"{format_number(pace['per_day'])} a day"
    days = format_days(wait["days"])
    return f"at {wait['percent']} %: {count} ratings show {margin}; at {rate} {days}"


def approval(one: Report, quote: Quote) -> str:
    """Who has to agree."""
    who = ", ".join(quote(strip_control(person)) for person in one["by"]) or "anybody"
    before = one["before_percent"]
    when = f" before {before} %" if before is not None else ""
    return f"{one['project']}/{one['name']}: {who}{when}"


def excess(one: Report) -> str:
    """Which budget, and by how much."""
    if one["what"] == "hours":
        limit, expected, by = (
            format_seconds(one[key] * 3600) for key in ("limit", "expected", "by")
        )
    else:
        limit, expected, by = (f"{one[key]:,.2f}" for key in ("limit", "expected", "by"))
    return f"{one['project']}/{one['name']}: {expected} expected, {limit} allowed, {by} over"
