"""Times, sizes and values in as few characters as a person needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tidemill.engine.cost import Spread

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
WIDEST = 60


def seconds(value: float) -> str:
    """`0.4 s`, `40 s`, `5 min`, `2.3 h`, `3.1 d`."""
    size, unit = next((u for u in _UNITS if value >= 1.5 * u[0]), _UNITS[-1])
    return f"{number(value / size)} {unit}"


def size(value: float) -> str:
    """Bytes as `640 MiB` or `2.1 GiB`."""
    if value < 1 << 30:
        return f"{value / (1 << 20):.0f} MiB"
    return f"{value / (1 << 30):.1f} GiB"


def number(value: float) -> str:
    """Two digits that count, and no decimals from ten on."""
    return f"{value:,.0f}" if value >= 9.95 or value == int(value) else f"{value:.1f}"


def around(spread: Spread, shown: Callable[[float], str]) -> str:
    """`5 min (4 min–7 min)`; the median alone where there is no spread."""
    low, middle, high = map(shown, (spread.low, spread.median, spread.high))
    return middle if low == high else f"{middle} ({low}–{high})"


def value(given: Any) -> str:
    """A field's value in a line of its own: JSON, cut; a digest by its first digits."""
    if given is None:
        return "–"
    if isinstance(given, str) and given.startswith("sha256:"):
        return given[7:19]
    if isinstance(given, float) and given == int(given):
        return str(int(given))
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)
    text = plain(text) or '""'
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def plain(text: str) -> str:
    """What a spec says never drives the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def plain_lines(text: str) -> str:
    """The same of several lines: what people wrote in specs, commits and feedback."""
    return "\n".join(map(plain, text.split("\n")))


def many(count: int, what: str) -> str:
    """`1 asset`, `3 assets`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
