"""Strips: one bar or one interval, as wide as the table cell it stands in."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from tidemill.report.plots.svg import element, picture

HEIGHT = 20


def interval(
    label: str,
    value: float,
    low: float,
    high: float,
    scale: tuple[float, float],
    *,
    mark: float | None = None,
    tone: str = "ink",
) -> Markup:
    """A dot with its interval on a scale (smallest, largest); `mark` is a limit or zero."""
    middle = HEIGHT / 2
    parts = [element("rect", class_="track", x="0", y=middle - 1, width="100%", height=2)]
    if mark is not None:
        at = _position(mark, scale)
        parts.append(element("line", class_="mark", x1=at, x2=at, y1=1, y2=HEIGHT - 1))
    start, end = _position(low, scale), _position(high, scale)
    parts.append(element("line", class_=f"span {tone}", x1=start, x2=end, y1=middle, y2=middle))
    parts.append(
        element("circle", class_=f"dot {tone}", cx=_position(value, scale), cy=middle, r=4.5)
    )
    return picture(label, *parts, class_="strip", width="100%", height=HEIGHT)


def bar(label: str, share: float, *, mark: float | None = None, tone: str = "ink") -> Markup:
    """A bar of a share of its cell, 0 to 1."""
    return stacked_bar(label, [(share, tone)], mark=mark)


def stacked_bar(
    label: str, shares: Sequence[tuple[float, str]], *, mark: float | None = None
) -> Markup:
    """Bars one after the other: (share of the cell, tone)."""
    parts = [element("rect", class_="track", x="0", y=4, width="100%", height=HEIGHT - 8)]
    start = 0.0
    for share, tone in shares:
        width = max(0.0, min(share, 1.0 - start))
        parts.append(
            element(
                "rect", class_=f"fill {tone}", x=_percent(start), y=4, width=_percent(width),
                height=HEIGHT - 8,
            )
        )  # fmt: skip
        start += width
    if mark is not None:
        at = _percent(min(max(mark, 0.0), 1.0))
        parts.append(element("line", class_="mark", x1=at, x2=at, y1=1, y2=HEIGHT - 1))
    return picture(label, *parts, class_="strip", width="100%", height=HEIGHT)


def _position(value: float, scale: tuple[float, float]) -> str:
    """A place on the strip; half a dot is kept free at both ends."""
    smallest, largest = scale
    share = (value - smallest) / (largest - smallest) if largest > smallest else 0.5
    return _percent(0.03 + 0.94 * min(max(share, 0.0), 1.0))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
