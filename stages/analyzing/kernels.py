"""The kernel-size study of SpiKernel: sets of kernel sizes, the scores that cells reach with them, and what they weigh.

Comes in: sets of sizes and repeats. Goes out: score and memory of each set, the accuracy-memory trade-off, and the chosen set.
SpiKernel's (IEEE ESL 2024) own sets and figures are not known here; the study and its rule are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from statistics import mean

from pydantic import BaseModel, ConfigDict

from stages.analyzing.significance import Interval, best_tenth
from stages.analyzing.trial import Trial
from stages.progress import Progress
from stages.searching.cost import synaptic_operations
from stages.searching.space import CellSpace

#: Cells per set whose memory is estimated.
SIZED = 8


class KernelSet(BaseModel):
    """Cells whose convolutions have one of these sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: tuple[int, ...]
    #: Mean score of random cells, and of their best tenth, at one width for all sets.
    score: Interval
    best_score: Interval
    #: The best tenth, each cell at the width at which it computes as much as cells of 3x3 kernels.
    best_score_at_equal_cost: Interval
    #: Means over random cells at one width.
    weights: float
    region_bytes: Mapping[str, float]


def kernel_study(
    sets: Sequence[tuple[int, ...]], trials: Sequence[Trial], cells: int, progress: Progress
) -> list[KernelSet]:
    """One row per set. Graphs are drawn once a repeat, so that sets differ by their kernels alone."""
    rows = []
    for sizes in sets:
        scores, best, equal, weights = [], [], [], []
        sized: dict[str, list[int]] = {}
        for trial in trials:
            drawn = cells_of(sizes, cells, trial.seed)
            rated = trial.scores(drawn, progress, f"kernel sizes {', '.join(map(str, sizes))}")
            scores.append(mean(rated))
            best.append(best_tenth(rated))
            reference = mean(synaptic_operations(trial.network(cell)) for cell in cells_of((3,), cells, trial.seed))
            equal.append(best_tenth(at_equal_cost(drawn, trial, reference, progress)))
            weights += [trial.network(cell).parameters for cell in drawn]
        for cell in cells_of(sizes, SIZED, trials[0].seed):
            for region, size_bytes in trials[0].region_bytes(cell).items():
                sized.setdefault(region, []).append(size_bytes)
        rows.append(
            KernelSet(
                sizes=sizes,
                score=Interval.of(scores),
                best_score=Interval.of(best),
                best_score_at_equal_cost=Interval.of(equal),
                weights=mean(weights),
                region_bytes={region: mean(values) for region, values in sized.items()},
            )
        )
    return rows


def at_equal_cost(cells: Sequence[str], trial: Trial, reference: float, progress: Progress) -> list[float]:
    """Scores of cells, each at the width at which its network takes about `reference` synaptic operations."""
    channels = trial.template.channels
    by_width: dict[int, list[str]] = {}
    for cell in cells:
        width = max(1, round(channels * (reference / synaptic_operations(trial.network(cell))) ** 0.5))
        by_width.setdefault(width, []).append(cell)
    rated = [trial.at(width).scores(same, progress, "kernel sizes at equal cost") for width, same in by_width.items()]
    return [score for scores in rated for score in scores]


def cells_of(sizes: Sequence[int], count: int, seed: int) -> list[str]:
    """Random cells of zero, skip and convolutions of these sizes."""
    graphs, kernels = Random(seed), Random(seed + 1)  # noqa: S311 - a study, not a secret
    plain = CellSpace.of(4, ("zero", "skip", "conv3x3"))
    drawn = []
    for _ in range(count):
        genotype = str(plain.sample(graphs))
        while "conv3x3" in genotype:
            size = kernels.choice(sizes)
            genotype = genotype.replace("conv3x3", f"CONV{size}x{size}", 1)
        drawn.append(genotype.replace("CONV", "conv"))
    return drawn


def chosen_kernels(rows: Sequence[KernelSet], tolerance: float) -> KernelSet:
    """The set whose best cells score highest at equal cost; of those within the margin of it, the lightest."""
    top = max(rows, key=lambda row: row.best_score_at_equal_cost.mean)
    margin = max(tolerance, top.best_score_at_equal_cost.confidence)
    bar = top.best_score_at_equal_cost.mean - margin
    return min((row for row in rows if row.best_score_at_equal_cost.mean >= bar), key=lambda row: row.weights)
