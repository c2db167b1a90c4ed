"""The default score: all evidence in points comparable to percent of accuracy, added up.

Comes in: an architecture and a batch. Goes out: points; only differences mean something.

Depth and width of convolution paths and thresholds (`structure`), channels, cells, resolution and bits (`capacity`), and
whether untrained spikes reach every population (`liveness`). On 2,000 trained spiking cells (SpikeNAS-Bench, CIFAR-10) it ranks
with Kendall tau-b .67 (longest path .61, SAHD .38; one training run against another: about .72). Choosing by it within budgets of
at most 2 to 6 convolutions loses 0.62 points against the best of 400 cells (longest path 1.18, random 2.38); noise of the
benchmark's own size lets even a perfect score lose 0.59.
"""

from __future__ import annotations

from stages.scores.capacity import capacity
from stages.scores.liveness import liveness
from stages.scores.structure import structure
from stages.scores.subject import Subject


def evidence(subject: Subject) -> float:
    """Structure of the cells, capacity of what is around them, and life in both."""
    return structure(subject) + capacity(subject) + liveness(subject)
