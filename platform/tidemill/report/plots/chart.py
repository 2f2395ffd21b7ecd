"""Charts with axes: the frame they share, and what is drawn into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from tidemill.report.plots.svg import element, picture

WIDTH, HEIGHT = 360.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 12.0, 38.0
Point = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """The room of a chart: its two scales and its words."""

    x: Point
    """Smallest and largest value across."""
    y: Point
    x_label: str
    y_label: str

    def to_position(self, x: float, y: float) -> Point:
        """Where a value lies, in units of the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * width, _TOP + (1 - up) * height

    def picture(self, label: str, *inside: str) -> Markup:
        """The chart with its axes, ticks and what is drawn."""
        shape = {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "class_": "chart"}
        return picture(label, *self._grid(), *self._words(), *inside, **shape)

    def _grid(self) -> list[Markup]:
        parts = []
        for tick in ticks(*self.y):
            tick_x, y = self.to_position(self.x[0], tick)
            right, _ = self.to_position(self.x[1], tick)
            parts.append(element("line", class_="grid", x1=tick_x, x2=right, y1=y, y2=y))
            parts.append(_text(f"{tick:g}", tick_x - 6, y + 4, "end"))
        for tick in ticks(*self.x):
            x, bottom = self.to_position(tick, self.y[0])
            parts.append(_text(f"{tick:g}", x, bottom + 15, "middle"))
        return parts

    def _words(self) -> list[Markup]:
        middle, up = _LEFT + (WIDTH - _LEFT - _RIGHT) / 2, _TOP + (HEIGHT - _TOP - _BOTTOM) / 2
        turned = f"rotate(-90 11 {up:g})"
        return [
            _text(self.x_label, middle, HEIGHT - 5, "middle", class_="axis"),
            _text(self.y_label, 11, up, "middle", class_="axis", transform=turned),
        ]


def line(frame: Frame, points: Sequence[Point], tone: str, *, thin: bool = False) -> Markup:
    """Points joined; `tone` is a class of the style sheet."""
    coordinates = " ".join(
        f"{x:.1f},{y:.1f}" for x, y in (frame.to_position(*point) for point in points)
    )
    return element("polyline", class_=f"line {tone}{' thin' if thin else ''}", points=coordinates)


def dots(frame: Frame, points: Sequence[Point], tone: str) -> Markup:
    """A dot at each point."""
    positions = [frame.to_position(*point) for point in points]
    return Markup("").join(
        element("circle", class_=f"dot {tone}", cx=x, cy=y, r=3.5) for x, y in positions
    )


def rules(frame: Frame, spans: Sequence[tuple[float, float, float]], tone: str) -> Markup:
    """Upright lines: (x, low, high)."""
    parts = []
    for x, low, high in spans:
        (at, bottom), (_, top) = frame.to_position(x, low), frame.to_position(x, high)
        parts.append(element("line", class_=f"span {tone}", x1=at, x2=at, y1=bottom, y2=top))
    return Markup("").join(parts)


def bars(frame: Frame, values: Sequence[tuple[float, float, float]], tone: str) -> Markup:
    """Upright bars: (left, right, height)."""
    parts = []
    for start, right, height in values:
        (x, top), (end, bottom) = (
            frame.to_position(start, height),
            frame.to_position(right, frame.y[0]),
        )
        width = max(end - x - 1, 0.5)
        shape = {"x": x, "y": top, "width": width, "height": max(bottom - top, 0.0)}
        parts.append(element("rect", class_=f"fill {tone}", **shape))
    return Markup("").join(parts)


def upright(frame: Frame, x: float, label: str) -> Markup:
    """A marked place across, with its name at the top."""
    at, top = frame.to_position(x, frame.y[1])
    _, bottom = frame.to_position(x, frame.y[0])
    near_end = at > WIDTH - 90
    side = "end" if near_end else "start"
    return element("line", class_="mark", x1=at, x2=at, y1=top, y2=bottom) + _text(
        label, at + (-4 if near_end else 4), top + 10, side, class_="axis"
    )


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers within a scale, about so many."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = int(-(-low // step)) if low >= 0 else int(low / step)
    count = int((high - first * step) / step + 1e-9) + 1
    return [round((first + index) * step, 10) for index in range(count)]


def _text(words: str, x: float, y: float, anchor: str, **more: object) -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor, **more)
