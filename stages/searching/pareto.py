"""The trade-off between score and memory: candidates that no other beats in both.

Comes in: rated candidates. Goes out: one front per memory region.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from stages.searching.candidates import Candidate
from stages.snn.architecture import Architecture


class ParetoPoint(BaseModel):
    """A candidate that nothing smaller beats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    size_bytes: int
    score: float
    architecture: Architecture


def pareto_front(candidates: Sequence[Candidate], regions: Sequence[str]) -> tuple[ParetoPoint, ...]:
    """Region by region in this order, each in rising bytes and rising score."""
    scored = [c for c in candidates if c.score is not None]
    points: list[ParetoPoint] = []
    for region in regions:
        best = float("-inf")
        here = [c for c in scored if region in c.region_bytes]
        for c in sorted(here, key=lambda c: (c.region_bytes[region], -(c.score or 0.0))):
            if c.score is not None and c.score > best:
                best = c.score
                points.append(
                    ParetoPoint(
                        region=region, size_bytes=c.region_bytes[region], score=c.score, architecture=c.architecture
                    )
                )
    return tuple(points)
