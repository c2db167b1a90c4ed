"""Maps from values to positions with round ticks, and the frame that charts share."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10

from pipeline.report.svg import element, text

WIDTH, HEIGHT = 440.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 18.0, 42.0


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic map of the range low to high onto start to end."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value."""
        low, high, at = (log10(max(v, 1e-12)) if self.logarithmic else v for v in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """At most about six round values within the range."""
        if self.logarithmic:
            exponents = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            ratio = self.high / self.low
            fine = (1, 2, 3, 4, 5, 7) if ratio < 8 else (1, 2, 5) if ratio < 100 else (1,)
            values = [factor * 10.0**exponent for exponent in exponents for factor in fine]
        else:
            size = _round_step((self.high - self.low) / 5)
            first, last = ceil(self.low / size - 1e-9), floor(self.high / size + 1e-9)
            values = [round(number * size, 12) for number in range(first, last + 1)]
        return [value for value in values if self.low <= value * (1 + 1e-9) and value <= self.high * (1 + 1e-9)]


def _round_step(rough: float) -> float:
    if rough <= 0:
        return 1.0
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)


def frame(x: Axis, y: Axis, x_name: str, y_format: str = "{:g}", sizes: bool = False) -> list[str]:
    """Horizontal grid lines with their values, values below the horizontal axis, and its name."""
    parts = []
    for tick in y.ticks():
        parts.append(element("line", x1=x.start, x2=x.end, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(text(x.start - 8, y(tick) + 4, y_format.format(tick), "tick", "end"))
    for tick in x.ticks():
        parts.append(text(x(tick), HEIGHT - BOTTOM + 18, short_size(tick) if sizes else f"{tick:g}", "tick", "middle"))
    parts.append(text((x.start + x.end) / 2, HEIGHT - 4, x_name, "axis-name", "middle"))
    return parts


def short_size(size_bytes: float) -> str:
    """A round decimal number of bytes, for ticks."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:g} {unit}"
    return f"{size_bytes:g} B"
