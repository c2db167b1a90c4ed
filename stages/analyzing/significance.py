"""Operation significance: what removing one operation does to the scores of random cells.

Comes in: operations and repeats. Goes out: an effect with its confidence for each, and the operations that stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import mean, stdev

from pydantic import BaseModel, ConfigDict

from stages.analyzing.trial import Trial
from stages.progress import Progress
from stages.searching.space import CellSpace
from stages.snn.cells import Cell

#: Operations without weights.
FREE = ("zero", "skip")
#: Two-sided 95 % quantiles of Student's t by degrees of freedom; 1.96 beyond.
_STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


class Interval(BaseModel):
    """A mean over repeats, the standard deviation between them, and half the width of its 95 % confidence interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    spread: float
    confidence: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Of one value per repeat, at least two."""
        spread = stdev(values)
        quantile = _STUDENT.get(len(values) - 1, 1.96)
        return cls(mean=mean(values), spread=spread, confidence=quantile * spread / len(values) ** 0.5)


class Effect(BaseModel):
    """What removing an operation does, in points of the score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    #: Change of the mean score of all cells.
    mean_change: Interval
    #: Change of the mean of the best tenth.
    best_change: Interval
    kept: bool
    #: Why, in a sentence.
    because: str


def effects_of_removal(
    operations: Sequence[str], trials: Sequence[Trial], cells: int, tolerance: float, progress: Progress
) -> list[Effect]:
    """One effect per operation, over all repeats."""
    changes: dict[str, list[tuple[float, float]]] = {operation: [] for operation in operations}
    space = CellSpace.of(4, operations)
    for trial in trials:
        random = Random(trial.seed)  # noqa: S311 - a study, not a secret
        drawn = [space.sample(random) for _ in range(cells)]
        before = trial.scores([str(cell) for cell in drawn], progress, "operations: random cells")
        for operation in operations:
            reduced = CellSpace.of(4, [other for other in operations if other != operation])
            after = [str(redrawn(cell, space, reduced, random)) for cell in drawn]
            scores = trial.scores(after, progress, f"operations: without {operation}")
            changes[operation].append((mean(scores) - mean(before), best_tenth(scores) - best_tenth(before)))
    return [effect(operation, changes[operation], tolerance) for operation in operations]


def redrawn(cell: Cell, space: CellSpace, reduced: CellSpace, random: Random) -> Cell:
    """The cell with every edge that the reduced space does not know drawn anew from it, until it is connected."""
    places = space.places
    here = {(e.source, e.target): e.operation for e in cell.edges}
    while True:
        chosen = [
            here.get(place) if here.get(place) in reduced.choices else random.choice(reduced.choices)
            for place in places
        ]
        found = space.cell(places, chosen)
        if found.edges:
            return found


def best_tenth(scores: Sequence[float]) -> float:
    """Mean of the highest tenth, at least of one."""
    return mean(sorted(scores, reverse=True)[: max(1, len(scores) // 10)])


def effect(operation: str, changes: Sequence[tuple[float, float]], tolerance: float) -> Effect:
    """Decides by the rule of `stages.analyze.RULE`."""
    best = Interval.of([change for _, change in changes])
    margin = max(tolerance, best.confidence)
    described = f"the best tenth changes by {best.mean:+.2f} ± {best.confidence:.2f} without it"
    if operation in FREE:
        kept = best.mean <= margin
        because = f"costs no weights and {described}" if kept else described
    else:
        kept = best.mean < -margin
        because = described
    return Effect(
        operation=operation,
        mean_change=Interval.of([change for change, _ in changes]),
        best_change=best,
        kept=kept,
        because=because,
    )


def kept_operations(effects: Sequence[Effect]) -> list[str]:
    """Operations that stay. Where no convolution earned its place, the one whose removal hurts most stays."""
    kept = [e.operation for e in effects if e.kept]
    convolutions = [e for e in effects if e.operation.startswith("conv")]
    if not any(e.kept for e in convolutions):
        kept.append(min(convolutions, key=lambda e: e.best_change.mean).operation)
    return kept
