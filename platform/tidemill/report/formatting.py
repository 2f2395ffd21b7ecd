"""Numbers, times and names as people read them, the same in every card and report."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeGuard

from tidemill.catalog import METRICS
from tidemill.engine.gate import DASH, number
from tidemill.engine.measurement import Measure
from tidemill.errors import UnknownName

_SPEED = ("quantile", "speed", "size")
ALL = "all rows"
_NAMES = {
    "macro_f1": "macro F1", "rouge_l": "ROUGE-L", "bleu": "BLEU", "ndcg_at_10": "nDCG@10",
    "recall_at_10": "recall@10", "mrr": "MRR", "coverage_at_10": "coverage@10",
}  # fmt: skip
_TREATED = {
    "redact": "looked for and replaced by its kind",
    "drop": "looked for, and its rows are left out",
    "hash": "looked for and replaced by a keyed hash",
    "keep": "not looked for; it is kept",
}
MINUS, ROOM = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"


def unit(metric: str) -> str:
    """`s`, `bytes`, `tokens/s` or nothing."""
    return str(_metric_attribute(metric, "UNIT", ""))


def lower_is_better(metric: str) -> bool:
    """True for latency and size."""
    return bool(_metric_attribute(metric, "BETTER", "higher") == "lower")


def measures_quality(metric: str) -> bool:
    """True where a metric looks at what was answered, not at how fast or how large."""
    return _metric_attribute(metric, "KIND", "") not in _SPEED


def highest(metric: str) -> float | None:
    """The largest value a metric can have; None where there is none."""
    upper = _metric_attribute(metric, "RANGE", (0.0, None))[1]
    return None if upper is None else float(upper)


def _metric_attribute(metric: str, attribute: str, otherwise: Any) -> Any:
    try:
        return getattr(METRICS.load(metric), attribute)
    except UnknownName:  # a metric of a release before it was taken out
        return otherwise


def metric_name(metric: str) -> str:
    """`macro_f1` → macro F1."""
    return _NAMES.get(metric, metric.replace("_", " "))


def is_finite(value: Any) -> TypeGuard[float]:
    """True for a number that can be shown."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def format_measure(value: Any, metric: str = "") -> str:
    """A value with its unit; a dash where there is none."""
    if not is_finite(value):
        return DASH
    if unit(metric) == "s":
        text = seconds(float(value))
    else:
        text = number(float(value), unit(metric), 1 if unit(metric) == "tokens/s" else 2)
    return text.replace("-", MINUS)


def interval(measure: Measure) -> str:
    """`0.71–0.88`; empty where the value is exact or unknown."""
    low, high = measure.low, measure.high
    if not (is_finite(low) and is_finite(high)) or low == high:
        return ""
    first, last = format_measure(low, measure.metric), format_measure(high, measure.metric)
    ending = last.partition(" ")[2]
    if ending and first.endswith(f" {ending}"):
        first = first.removesuffix(f" {ending}")
    return f"{first} to {last}" if low < 0 else f"{first}{DASH}{last}"


def with_interval(measure: Measure) -> str:
    """`0.80 (0.71–0.88)`."""
    value, bounds = format_measure(measure.value, measure.metric), interval(measure)
    return f"{value} ({bounds})" if bounds else value


def percent(share: float, digits: int = 1) -> str:
    """A share as per cent."""
    return f"{100 * share:.{digits}f}{ROOM}%"


def size(count: float) -> str:
    """Bytes as kB, MB or GB."""
    for name, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {name}"
    return f"{count:.0f} bytes"


def seconds(value: float) -> str:
    """A stretch of time."""
    if abs(value) < 60:
        small = f"{1000 * value:.0f} ms" if abs(value) >= 0.01 else f"{1000 * value:.1f} ms"
        return f"{value:.1f} s" if abs(value) >= 1 else small
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_duration(value: str) -> str:
    """A duration of a spec (`2592000s`) as people say it."""
    count = float(value.removesuffix("s"))
    days = count / 86400
    return format_count(int(days), "day") if days >= 1 and days == int(days) else seconds(count)


def pii_treatment(pii: str) -> str:
    """What a dataset's rules do with personal data, after `personal data is`."""
    return _TREATED.get(pii, pii)


def author_name(author: str) -> str:
    """Git's `name <address>` without the address: a card may be published."""
    return author.partition(" <")[0] or "somebody"


def format_time(value: Any) -> str:
    """A moment in UTC; takes datetimes and ISO texts."""
    if value is None:
        return ""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def short_digest(digest: str) -> str:
    """The first 12 hex digits."""
    return digest.removeprefix("sha256:")[:12]


def format_count(count: int, singular: str, plural: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def join_names(items: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
