"""Numbers and lengths of time in as few characters as a person needs."""

from __future__ import annotations

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def format_seconds(value: float) -> str:
    """`0.4 s`, `40 s`, `5 min`, `2.3 h`, `3.1 d`."""
    size, unit = next((u for u in _UNITS if value >= 1.5 * u[0]), _UNITS[-1])
    return f"{format_number(value / size)} {unit}"


def format_number(value: float) -> str:
    """Two digits that count, and no decimals from ten on."""
    return f"{value:,.0f}" if value >= 9.95 or value == int(value) else f"{value:.1f}"
