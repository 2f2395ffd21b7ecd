"""Sizes, spreads and values in as few characters as a person needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tidemill.engine.cost import Spread

WIDEST = 60


def format_bytes(value: float) -> str:
    """Bytes as `640 MiB` or `2.1 GiB`."""
    if value < 1 << 30:
        return f"{value / (1 << 20):.0f} MiB"
    return f"{value / (1 << 30):.1f} GiB"


def format_spread(spread: Spread, formatter: Callable[[float], str]) -> str:
    """`5 min (4 min–7 min)`; the median alone where there is no spread."""
    low, middle, high = map(formatter, (spread.low, spread.median, spread.high))
    return middle if low == high else f"{middle} ({low}–{high})"


def format_value(number: Any) -> str:
    """A field's value in a line of its own: JSON, cut; a digest by its first digits."""
    if number is None:
        return "–"
    if isinstance(number, str) and number.startswith("sha256:"):
        return number[7:19]
    if isinstance(number, float) and number == int(number):
        return str(int(number))
    text = (
        number if isinstance(number, str) else json.dumps(number, ensure_ascii=False, default=str)
    )
    text = strip_control(text) or '""'
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def strip_control(text: str) -> str:
    """Text without control characters, so that specs cannot control the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def strip_control_lines(text: str) -> str:
    """Several lines without control characters: text from specs, commits and feedback."""
    return "\n".join(map(strip_control, text.split("\n")))


def format_count(count: int, noun: str) -> str:
    """`1 asset`, `3 assets`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
