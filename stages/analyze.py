"""analyze: which operations and kernel sizes matter for a dataset on a target, judged without training.

Comes in: a dataset and a profile. Goes out: for each operation what its removal does to the score, a study of kernel sizes,
and by a stated rule the operations that search works with.

Removal is paired: random cells are drawn from all operations that the target runs, and in each the edges that carry the
operation are redrawn from the others. The difference of the two scores is the effect on that cell; it is repeated over
several seeds, each with cells, images and weights of its own. The mean tells what removal does to the space, the best
tenth what it does to what a search would find.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from stages.analyzing.kernels import KernelSet, chosen_kernels, kernel_study
from stages.analyzing.significance import Effect, effects_of_removal, kept_operations
from stages.analyzing.trial import Trial
from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.scores.catalog import score_named
from stages.searching.space import BASE_OPERATIONS, operations_on
from targets.errors import DoesNotFitError
from targets.profile import Profile


class AnalyzeConfig(BaseModel):
    """How much is drawn and scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: First seed; each repeat takes the next one.
    seed: NonNegativeInt = 0
    #: Repeats with cells, images and weights of their own; the spread is taken over them.
    repeats: int = Field(default=3, ge=2)
    #: Random cells per repeat.
    cells: int = Field(default=40, ge=10)
    #: Operations that are studied.
    operations: tuple[str, ...] = BASE_OPERATIONS
    #: Sets of kernel sizes that are studied.
    kernel_sets: tuple[tuple[PositiveInt, ...], ...] = ((1,), (3,), (5,), (7,), (1, 3), (3, 5), (3, 5, 7))
    #: Name of a training-free score; see `stages.scores.catalog`.
    score: str = "evidence"
    #: Channels of the networks that carry the cells.
    channels: PositiveInt = 16
    timesteps: PositiveInt = 4
    #: Images that untrained networks are run on.
    images: PositiveInt = 64
    #: Points that an operation or a kernel set has to be better by, beyond its confidence interval.
    tolerance: NonNegativeFloat = 0.05
    #: Epochs of real training that judge each cell by its validation accuracy (percent) in place of the score; 0 for none. One
    #: cell takes seconds to minutes, so `cells` should be small then.
    trained: NonNegativeInt = 0

    @classmethod
    def preset(cls, name: Literal["quick", "full"], seed: int = 0) -> AnalyzeConfig:
        """`quick` takes seconds, `full` minutes."""
        return cls(seed=seed) if name == "quick" else cls(seed=seed, repeats=5, cells=200, images=128)


class Analysis(BaseModel):
    """What matters, and what search should work with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score_name: str
    repeats: int
    cells: int
    #: What the removal of each operation does.
    effects: tuple[Effect, ...]
    #: Score and memory of sets of kernel sizes: the trade-off curve.
    kernel_sets: tuple[KernelSet, ...]
    #: Operations that search works with, as genotypes write them.
    kept: tuple[str, ...]
    #: A sentence for each operation or kernel size that the target cannot run.
    refused: tuple[str, ...]
    #: The rule by which operations and kernel sizes were kept.
    rule: str


RULE = (
    "zero and skip cost no weights and stay unless removing them raises the best tenth of the scores; any other operation "
    "stays only if removing it lowers the best tenth; both by more than the tolerance and the 95 % confidence interval. Of the "
    "sets of kernel sizes, the one whose best tenth is highest at equal synaptic operations; within the same margin, the lightest"
)


def analyze(dataset: Dataset, profile: Profile, config: AnalyzeConfig, progress: Progress) -> Analysis:
    """Studies operations, then kernel sizes.

    Raises:
        DoesNotFitError: the target runs no convolution, or nothing that connects a cell.
        ConfigurationError: an unknown score or operation.
    """
    score = score_named(config.score)
    allowed, refused = operations_on(profile, config.operations)
    if not any(operation.startswith("conv") for operation in allowed):
        raise DoesNotFitError(f"{profile.name} runs none of the convolutions {', '.join(config.operations)}", RULE)
    sets = [s for s in config.kernel_sets if all(size in profile.network.kernel_sizes for size in s)]
    refused += [
        f"kernel sizes {s}: {profile.name} runs {profile.network.kernel_sizes}"
        for s in config.kernel_sets
        if s not in sets
    ]
    trials = [
        Trial.of(
            dataset,
            profile,
            score,
            config.seed + repeat,
            config.channels,
            config.timesteps,
            config.images,
            config.trained,
        )
        for repeat in range(config.repeats)
    ]
    effects = effects_of_removal(allowed, trials, config.cells, config.tolerance, progress)
    kernel_sets = kernel_study(sets, trials, config.cells, progress)
    kept = kept_operations(effects)
    if kernel_sets and any(operation.startswith("conv") for operation in kept):
        sizes = chosen_kernels(kernel_sets, config.tolerance).sizes
        kept = [o for o in kept if not o.startswith("conv")] + [f"conv{size}x{size}" for size in sizes]
    return Analysis(
        score_name=f"validation accuracy after {config.trained} epochs" if config.trained else score.name,
        repeats=config.repeats,
        cells=config.cells,
        effects=tuple(effects),
        kernel_sets=tuple(kernel_sets),
        kept=tuple(kept),
        refused=tuple(refused),
        rule=RULE,
    )
