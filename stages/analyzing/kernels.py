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
from stages.searching.space import CellSpace


class KernelSet(BaseModel):
    """Cells whose convolutions have one of these sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: tuple[int, ...]
    #: Mean score of random cells, and of their best tenth.
    score: Interval
    best_score: Interval
    #: Means over the same cells.
    weights: float
    region_bytes: Mapping[str, float]


def kernel_study(
    sets: Sequence[tuple[int, ...]], trials: Sequence[Trial], cells: int, progress: Progress
) -> list[KernelSet]:
    """One row per set. Graphs are drawn once a repeat, so that sets differ by their kernels alone."""
    rows = []
    for sizes in sets:
        scores, best, weights = [], [], []
        sized: dict[str, list[int]] = {}
        for trial in trials:
            drawn = cells_of(sizes, cells, trial.seed)
            rated = trial.scores(drawn, progress, f"kernel sizes {', '.join(map(str, sizes))}")
            scores.append(mean(rated))
            best.append(best_tenth(rated))
            for cell in dict.fromkeys(drawn):
                weights.append(trial.network(cell).parameters)
                for region, size_bytes in trial.region_bytes(cell).items():
                    sized.setdefault(region, []).append(size_bytes)
        rows.append(
            KernelSet(
                sizes=sizes,
                score=Interval.of(scores),
                best_score=Interval.of(best),
                weights=mean(weights),
                region_bytes={region: mean(values) for region, values in sized.items()},
            )
        )
    return rows


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
    """The set with the fewest weights whose best cells are within the margin of the best set's."""
    top = max(rows, key=lambda row: row.best_score.mean)
    margin = max(tolerance, top.best_score.confidence)
    good = [row for row in rows if row.best_score.mean >= top.best_score.mean - margin]
    return min(good, key=lambda row: row.weights)
