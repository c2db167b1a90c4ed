"""Memory as named terms in regions. An estimate and a measurement are the same type, so that verifying is a subtraction.

Goes in: terms in bytes. Comes out: totals per region and, for two footprints, the difference of every term against the
tolerance that the profile states. An estimate of zero or a term on one side only is an error, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat

from targets.errors import FootprintError
from targets.sizes import ByteSize, format_size

if TYPE_CHECKING:
    from targets.profile import Profile

MeasuredBy = Literal["estimated", "runtime", "emulated", "simulated", "hardware"]
"""How a footprint was obtained: the real runtime on this machine, an emulated core, a simulator, or the real board."""


@dataclass(frozen=True)
class Term:
    """One named amount of memory. Terms of the same `moment` are live together; "" is live throughout."""

    name: str
    region: str
    size_bytes: int
    moment: str = ""


@dataclass(frozen=True)
class Footprint:
    """All terms of an exported network, and how they were obtained."""

    terms: tuple[Term, ...]
    obtained: MeasuredBy
    #: Tools that obtained it, name to version.
    tools: Mapping[str, str]

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that any term lies in, in order of appearance."""
        return tuple(dict.fromkeys(term.region for term in self.terms))

    def region_bytes(self, region: str) -> int:
        """The most that is live at once in a region: what is live throughout plus the largest moment."""
        moments: dict[str, int] = {"": 0}
        for term in self.terms:
            if term.region == region:
                moments[term.moment] = moments.get(term.moment, 0) + term.size_bytes
        resident = moments.pop("")
        return resident + max(moments.values(), default=0)


@dataclass(frozen=True)
class Venue:
    """How this machine runs and measures a target's artifact."""

    obtained: MeasuredBy
    #: The profile as it is run here; where `shortfall` is empty, the target's own.
    profile: Profile
    #: In what the run is not that of the target, in one sentence.
    shortfall: str = ""
    #: The one command that mends this.
    command: str = ""
    #: The profile under which this machine runs the same artifact at full speed, where the venue itself is slow.
    native: Profile | None = None


class Tolerance(BaseModel):
    """How far a measured term may lie from its estimate: the larger of the relative and the absolute bound on each side.

    `low` bounds an estimate below the measurement, the unsafe side; `high` one above it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    relative_high: NonNegativeFloat = 0.0
    relative_low: NonNegativeFloat = 0.0
    absolute_high: ByteSize = 0
    absolute_low: ByteSize = 0

    def allows(self, estimated_bytes: int, measured_bytes: int) -> bool:
        """Whether the estimate is close enough to the measurement."""
        if estimated_bytes >= measured_bytes:
            bound = max(self.relative_high * measured_bytes, self.absolute_high)
        else:
            bound = max(self.relative_low * measured_bytes, self.absolute_low)
        return abs(estimated_bytes - measured_bytes) <= bound


@dataclass(frozen=True)
class Comparison:
    """One term, estimated and measured."""

    term: str
    region: str
    estimated_bytes: int
    measured_bytes: int
    tolerance: Tolerance
    ok: bool


def compare(estimated: Footprint, measured: Footprint, tolerance_of: Mapping[str, Tolerance]) -> list[Comparison]:
    """Term by term; `tolerance_of` maps a term's name to its tolerance, "default" is used for the others.

    Raises:
        FootprintError: a term is on one side only, or is zero: nothing was compared then.
    """
    left, right = ({(t.region, t.name): t.size_bytes for t in side.terms} for side in (estimated, measured))
    problems = [f"term {name!r} in {region} is only estimated" for region, name in left.keys() - right.keys()]
    problems += [f"term {name!r} in {region} is only measured" for region, name in right.keys() - left.keys()]
    for side, terms in (("estimated", left), ("measured", right)):
        problems += [
            f"term {name!r} in {region} is {side} as {size}" for (region, name), size in terms.items() if size <= 0
        ]
    if problems or not left:
        raise FootprintError("footprints cannot be compared: " + "; ".join(sorted(problems) or ["there are no terms"]))
    rows = []
    for (region, name), size in left.items():
        tolerance = tolerance_of.get(name, tolerance_of["default"])
        measured_bytes = right[region, name]
        rows.append(Comparison(name, region, size, measured_bytes, tolerance, tolerance.allows(size, measured_bytes)))
    return rows


def describe(comparison: Comparison) -> str:
    """One line for people: the term, both figures and their difference."""
    difference = comparison.estimated_bytes - comparison.measured_bytes
    relative = difference / comparison.measured_bytes
    return (
        f"{comparison.term} ({comparison.region}): estimated {format_size(comparison.estimated_bytes)}, "
        f"measured {format_size(comparison.measured_bytes)}, {difference:+,} B ({relative:+.2%})"
    )
