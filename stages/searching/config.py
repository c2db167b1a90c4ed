"""The settings of the search stage.

Comes in: what a user sets, or a preset. Goes out: a SearchConfig, which names the algorithm, the score, what is searched, and the
limits of compute; how much a search may spend on training finalists is here too.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

AlgorithmName = Literal["cell_by_cell", "random", "evolutionary"]


class SearchConfig(BaseModel):
    """How the search goes about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Decides random candidates, the batch of images and the weights of untrained networks.
    seed: NonNegativeInt = 0
    #: SpikeNAS's search, SNASNet's random search, or NSGA-II.
    algorithm: AlgorithmName = "cell_by_cell"
    #: Name of a training-free score; see `stages.scores.catalog`.
    score: str = "evidence"
    #: Time steps of an inference.
    timesteps: PositiveInt = 4
    #: Numbers of cells that are tried.
    cell_counts: tuple[PositiveInt, ...] = (1, 2)
    #: Nodes of a cell, its input and output included.
    nodes: int = Field(default=4, ge=2, le=6)
    #: Thresholds that a convolution's neurons may have.
    thresholds: tuple[float, ...] = (1.0,)
    #: Whether cells may have feedback edges, which arrive one step later.
    feedback: bool = False
    #: Weight bits that are tried; None for all that the profile allows.
    weight_bits: tuple[int, ...] | None = (8, 4, 2)
    #: Widths of the pooling before the classifier that are tried; 1 is none.
    head_pools: tuple[PositiveInt, ...] = (1, 2, 4)
    #: Strides of the stem that are tried.
    stem_strides: tuple[PositiveInt, ...] = (1, 2)
    #: Neurons of a hidden classifier layer that are tried; 0 is none.
    hidden: tuple[NonNegativeInt, ...] = (0,)
    #: Fewest and most channels of the first cell.
    min_channels: PositiveInt = 2
    max_channels: PositiveInt = 1024
    #: Most synaptic operations of one inference, every neuron firing: what training can afford.
    max_synaptic_operations: PositiveInt = 6_000_000
    #: So many for each value of an image (channels times pixels) where that is more, up to twice the most.
    synaptic_operations_per_value: PositiveInt = 10_000
    #: Least points that a doubling of the channels has to gain.
    min_gain: NonNegativeFloat = 0.5
    #: Images that untrained networks are run on, for scores that look at spikes.
    images: PositiveInt = 64
    #: Candidates of the random and the evolutionary search.
    trials: PositiveInt = 500
    #: Best candidates that are really trained, by successive halving, to choose by validation accuracy; 0 for none.
    finalists: NonNegativeInt = 0
    #: Epochs of the first of their rounds; every further round doubles them.
    finalist_epochs: PositiveInt = 2
    #: From 20,000 training images on, so many of them are spent to train the winner beside a plain chain of convolutions
    #: (`stages.searching.baseline`), where there are no other finalists; 0 for not.
    baseline_images: NonNegativeInt = 6_000

    def most_operations(self, input_shape: tuple[int, int, int]) -> int:
        """The compute limit for images of this shape."""
        wanted = self.synaptic_operations_per_value * prod(input_shape)
        return min(max(wanted, self.max_synaptic_operations), 2 * self.max_synaptic_operations)

    @classmethod
    def preset(cls, name: Literal["quick", "full"], seed: int = 0) -> SearchConfig:
        """`quick` trains in about a minute afterwards; `full` may take an hour."""
        if name == "quick":
            return cls(seed=seed)
        return cls(
            seed=seed,
            thresholds=(0.5, 1.0, 1.5),
            weight_bits=None,
            cell_counts=(1, 2, 3),
            max_synaptic_operations=200_000_000,
            min_gain=0.2,
            images=128,
            trials=5_000,
        )
