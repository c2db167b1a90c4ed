"""Memory as stacked bars: every moment of a region, estimated above measured, all on one scale.

Comes in: the terms of a footprint. Goes out: rows of segments with their share of the longest bar, which the page draws as boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.report.contract import Budget
from stages.verifying.memory import TermRow


@dataclass(frozen=True)
class Segment:
    """One term in a bar."""

    term: str
    size_bytes: int
    #: Of the longest bar of the region.
    percent: float
    #: Index of the term's colour.
    colour: int


@dataclass(frozen=True)
class Bar:
    """Everything that is live at one moment, by one of the two ways of knowing."""

    moment: str
    side: str
    total_bytes: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class RegionBars:
    """All bars of a region."""

    budget: Budget
    #: Share of the region that the larger figure takes, in percent.
    used_percent: float
    bars: tuple[Bar, ...]
    terms: tuple[TermRow, ...]

    @property
    def has_moments(self) -> bool:
        """Whether some of it is live at some moments only."""
        return any(row.moment for row in self.terms)

    @property
    def fits(self) -> bool:
        """Whether both figures are available."""
        return max(self.budget.estimated_bytes, self.budget.measured_bytes) <= self.budget.available_bytes


def region_bars(budget: Sequence[Budget], terms: Sequence[TermRow]) -> Iterator[RegionBars]:
    """The bars of every region, in order."""
    for region in budget:
        rows = tuple(row for row in terms if row.region == region.region)
        moments = list(dict.fromkeys(row.moment for row in rows if row.moment)) or [""]
        longest = max(
            sum(size for row in rows if row.moment in ("", moment) for size in [_size(row, side)])
            for moment in moments
            for side in _SIDES
        )
        bars = tuple(_bar(rows, moment, side, longest) for moment in moments for side in _SIDES)
        used = max(region.estimated_bytes, region.measured_bytes)
        yield RegionBars(region, 100 * used / region.available_bytes, bars, rows)


_SIDES = ("estimated", "measured")


def _size(row: TermRow, side: str) -> int:
    return row.estimated_bytes if side == "estimated" else row.measured_bytes


def _bar(rows: Sequence[TermRow], moment: str, side: str, longest: int) -> Bar:
    live = [(index, row) for index, row in enumerate(rows) if row.moment in ("", moment)]
    segments = tuple(
        Segment(row.term, _size(row, side), 100 * _size(row, side) / longest, index % 8) for index, row in live
    )
    return Bar(moment, side, sum(segment.size_bytes for segment in segments), segments)
