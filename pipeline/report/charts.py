"""Charts as SVG: lines over epochs, points of a search, intervals of significance, heat maps of spike rates.

Comes in: plain numbers. Goes out: markup without colours of its own. Every chart states its numbers in titles or a label, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from pipeline.report.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, frame
from pipeline.report.svg import drawing, element, text, title

_ROW = 30.0


@dataclass(frozen=True)
class Line:
    """One curve over 1, 2, 3 ...; its index in the chart decides the colour."""

    name: str
    values: Sequence[float]


def line_chart(
    lines: Sequence[Line],
    label: str,
    x_name: str,
    y_format: str,
    highest: float | None = None,
    logarithmic: bool = False,
) -> Markup:
    """Curves with their names at the end of each."""
    values = [value for line in lines for value in line.values]
    longest = max(len(line.values) for line in lines)
    room = 12 + 7 * max(len(line.name) for line in lines)
    x = Axis(1, max(longest, 2), LEFT, WIDTH - RIGHT - room)
    above = max(values) if max(values) > min(values) else min(values) + 1
    y = Axis(min(values), highest or above, HEIGHT - BOTTOM, TOP, logarithmic)
    parts = frame(x, y, x_name, y_format)
    ends: list[float] = []
    for index, line in enumerate(lines):
        points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in enumerate(line.values, start=1))
        parts.append(element("polyline", title(line.name), points=points, class_=f"line series{index}"))
        ends.append(_apart(y(line.values[-1]), ends))
        parts.append(text(x(len(line.values)) + 8, ends[-1] + 4, line.name, f"label fill{index}"))
    return drawing(WIDTH, HEIGHT, label, parts)


def _apart(wanted: float, taken: Sequence[float]) -> float:
    """The nearest height to `wanted` at which a label covers no other and not the axis."""
    lowest = HEIGHT - BOTTOM - 4
    shifts = sorted((step * sign for step in range(0, 200, 2) for sign in (1, -1)), key=abs)
    heights = (min(wanted, lowest) + shift for shift in shifts)
    return next(y for y in heights if y <= lowest and all(abs(y - other) >= 15 for other in taken))


@dataclass(frozen=True)
class Point:
    """One candidate of a search."""

    x: float
    y: float
    kind: Literal["candidate", "front", "chosen"]
    label: str


def scatter(points: Sequence[Point], label: str, x_name: str, y_name: str) -> Markup:
    """Points over sizes in bytes (a logarithmic axis), those of the Pareto front joined by a line."""
    xs, ys = [point.x for point in points], [point.y for point in points]
    margin = (max(ys) - min(ys)) * 0.08 or 1
    x = Axis(min(xs) * 0.9, max(xs) * 1.1, LEFT, WIDTH - RIGHT, logarithmic=True)
    y = Axis(min(ys) - margin, max(ys) + margin, HEIGHT - BOTTOM, TOP)
    parts = [*frame(x, y, x_name, sizes=True), text(LEFT + 6, TOP + 10, y_name, "axis-name")]
    front = sorted((point for point in points if point.kind != "candidate"), key=lambda point: point.x)
    joined = " ".join(f"{x(point.x):.1f},{y(point.y):.1f}" for point in front)
    parts.append(element("polyline", points=joined, class_="front-line"))
    for kind, radius in (("candidate", 3.0), ("front", 4.0), ("chosen", 7.0)):
        parts += [
            element("circle", title(point.label), cx=x(point.x), cy=y(point.y), r=radius, class_=f"point {kind}")
            for point in points
            if point.kind == kind
        ]
    return drawing(WIDTH, HEIGHT, label, parts)


@dataclass(frozen=True)
class Interval:
    """A mean with its spread."""

    name: str
    mean: float
    spread: float
    kept: bool


def intervals(rows: Sequence[Interval], label: str, x_name: str) -> Markup:
    """One dot with a bar per row, and a line at zero."""
    low = min([0.0, *(row.mean - row.spread for row in rows)])
    high = max([0.0, *(row.mean + row.spread for row in rows)])
    margin = (high - low) * 0.06 or 1
    x = Axis(low - margin, high + margin, 98, WIDTH - RIGHT)
    bottom = _ROW * len(rows) + 6
    parts = [element("line", x1=x(0), x2=x(0), y1=4, y2=bottom, class_="zero")]
    parts += [text(x(tick), bottom + 16, f"{tick:g}", "tick", "middle") for tick in x.ticks()]
    parts.append(text((98 + WIDTH) / 2, bottom + 34, x_name, "axis-name", "middle"))
    for index, row in enumerate(rows):
        y, state = 22.0 + _ROW * index, "kept" if row.kept else "dropped"
        told = title(f"{row.name}: {row.mean:+.4g} ± {row.spread:.2g}, {state}")
        bar = element("line", x1=x(row.mean - row.spread), x2=x(row.mean + row.spread), y1=y, y2=y, class_="spread")
        dot = element("circle", cx=x(row.mean), cy=y, r=5.5)
        name = text(88, y + 4, row.name, "row-name", "end")
        parts.append(element("g", told, name, bar, dot, class_=f"interval {state}"))
    return drawing(WIDTH, bottom + 40, label, parts)


def heat_map(rates: Mapping[str, Sequence[float]], label: str) -> Markup:
    """One row per population, one cell per step, the rate written into it where there is room."""
    steps = max(len(row) for row in rates.values())
    left = 16 + 7.4 * max(len(name) for name in rates)
    side = min(64.0, (WIDTH - left) / steps)
    highest = max(max(row) for row in rates.values()) or 1.0
    centres = [left + side * (step + 0.5) for step in range(steps)]
    parts = [
        text(x, 14, f"step {step}" if side > 44 else str(step), "tick", "middle") for step, x in enumerate(centres)
    ]
    for index, (name, row) in enumerate(rates.items()):
        y = 22.0 + _ROW * index
        parts.append(text(left - 8, y + 19, name, "row-name", "end"))
        for step, (x, rate) in enumerate(zip(centres, row, strict=True)):
            told, share = title(f"{name}, step {step}: {rate:.2%} of the neurons fire"), rate / highest
            area = {"x": x - side / 2 + 1, "y": y + 1, "width": side - 2, "height": _ROW - 2, "rx": 4}
            parts.append(element("rect", told, class_="heat", fill_opacity=round(0.06 + 0.94 * share, 2), **area))
            if side >= 34:
                strong = "heat-text strong" if share > 0.5 else "heat-text"
                parts.append(text(x, y + 19, f"{rate:.0%}" if rate >= 0.1 else f"{rate:.1%}", strong, "middle"))
    return drawing(left + side * steps, 26.0 + _ROW * len(rates), label, parts)
