"""Estimated and measured memory side by side: term by term, and region by region against what the target has.

Comes in: the two footprints and the profile that states tolerances and sizes. Goes out: rows for the report, or an error that
names every term which is not as estimated. A region must hold the larger of both figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.record import Record
from targets.errors import FootprintError
from targets.footprint import Comparison, Footprint, Tolerance, compare
from targets.profile import Profile
from targets.sizes import format_size


class TermRow(Record):
    """One term of the footprint, estimated and measured."""

    term: str
    region: str
    estimated_bytes: int
    measured_bytes: int
    #: Terms of one moment ("loading", "running") are live together; "" is live throughout.
    moment: str
    tolerance: Tolerance
    ok: bool


class RegionRow(Record):
    """What a region of memory offers, and what the network takes of it."""

    region: str
    available_bytes: int
    estimated_bytes: int
    measured_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the larger of both figures is available."""
        return max(self.estimated_bytes, self.measured_bytes) <= self.available_bytes


def term_rows(estimated: Footprint, measured: Footprint, profile: Profile) -> tuple[TermRow, ...]:
    """Every term within the tolerances of the profile, or not.

    Raises:
        FootprintError: the two do not have the same terms, or one of them is zero.
    """
    moments = {(term.region, term.name): term.moment for term in estimated.terms}
    rows = compare(estimated, measured, profile.tolerance)
    return tuple(_term_row(row, moments[row.region, row.term]) for row in rows)


def region_rows(estimated: Footprint, measured: Footprint, profile: Profile) -> tuple[RegionRow, ...]:
    """Every region that the network takes something of."""
    return tuple(
        RegionRow(
            region=region,
            available_bytes=profile.memory[region].available_bytes,
            estimated_bytes=estimated.region_bytes(region),
            measured_bytes=measured.region_bytes(region),
        )
        for region in estimated.regions
    )


def require_as_estimated(terms: Sequence[TermRow]) -> None:
    """Raises:
    FootprintError: terms outside of their tolerance, all of them named.
    """
    outside = [row for row in terms if not row.ok]
    if outside:
        raise FootprintError(
            "measured memory is not as estimated:" + "".join(f"\n  - {_sentence(row)}" for row in outside),
            "the estimator or the exporter of this family has changed; the report shows every term",
        )


def require_available(regions: Sequence[RegionRow]) -> None:
    """Raises:
    FootprintError: a region is smaller than what was measured in it.
    """
    for region in regions:
        if not region.fits:
            raise FootprintError(
                f"{region.region}: measured {format_size(region.measured_bytes)}, "
                f"available {format_size(region.available_bytes)}",
                "the network lies within the tolerance of the limit; search with a smaller --budget",
            )


def _term_row(row: Comparison, moment: str) -> TermRow:
    return TermRow(
        term=row.term,
        region=row.region,
        estimated_bytes=row.estimated_bytes,
        measured_bytes=row.measured_bytes,
        moment=moment,
        tolerance=row.tolerance,
        ok=row.ok,
    )


def _sentence(row: TermRow) -> str:
    difference = row.estimated_bytes - row.measured_bytes
    return (
        f"{row.term} in {row.region}: estimated {row.estimated_bytes:,} B, measured {row.measured_bytes:,} B "
        f"({difference:+,} B, {difference / row.measured_bytes:+.2%})"
    )
