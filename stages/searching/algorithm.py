"""The one interface of all search algorithms, and what they work on.

Comes in: a Task. Goes out: nothing; whatever an algorithm considered is in the evaluator, and the best of it is the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.progress import Progress
from stages.scores.capacity import macro_points
from stages.searching.candidates import Candidate, Evaluator
from stages.searching.macro import MacroChoices, filled
from stages.searching.space import CellSpace, Representatives
from stages.snn.architecture import Architecture


@dataclass(frozen=True)
class Task:
    """What is searched, and with which means."""

    space: CellSpace
    macro: MacroChoices
    #: Numbers of cells to try.
    cell_counts: tuple[int, ...]
    evaluator: Evaluator
    seed: int
    #: Candidates that algorithms without an end of their own consider.
    trials: int
    progress: Progress
    representatives: Representatives = field(default_factory=Representatives)

    def candidates(self, cell_lists: Sequence[tuple[str, ...]], what: str) -> list[Candidate]:
        """Rates cells inside the macro-architecture that fills the budget around them; those that compute the same once.

        Where nothing around the cells fits, the smallest network is entered, so that the log tells what it lacks.
        """
        architectures: list[Architecture] = []
        distinct = dict.fromkeys(tuple(map(self.representatives.of, cells)) for cells in cell_lists)
        for done, cells in enumerate(distinct, start=1):
            found = filled(cells, self.macro, self.evaluator)
            architectures.append(found or self.macro.smallest(cells))
            self.progress(f"{what}: sizing", done, len(distinct))
        return self.evaluator.rated(architectures, self.progress, f"{what}: scoring")


Algorithm = Callable[[Task], None]


def rank(candidate: Candidate) -> tuple[float, float, int, str]:
    """Higher is better: the score, then capacity, then fewer bytes, then a fixed order."""
    score = float("-inf") if candidate.score is None else candidate.score
    size_bytes = sum(candidate.region_bytes.values())
    return score, macro_points(candidate.architecture), -size_bytes, ",".join(candidate.architecture.cells)


def best_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """The best candidate with a score, if any has one."""
    scored = [candidate for candidate in candidates if candidate.score is not None]
    return max(scored, key=rank, default=None)
