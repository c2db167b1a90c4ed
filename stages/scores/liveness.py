"""Whether spikes get through at all: populations of the untrained network that never fire, or always do, teach nothing.

Comes in: an architecture and a batch. Goes out: points, 0 for a network that is alive throughout.

Beside `structure`, nothing else that untrained spikes tell was found to help. On 793 trained cells (SpikeNAS-Bench, CIFAR-10) two
dozen measurements were added to it one by one: perturbation growth at both cells' outputs and at every step, spike rates,
their entropy, changes between steps, variance and rank between images. None moved the fit by three standard errors (most,
2.6, the perturbation growth). What structure cannot see is a network that is dead: chains of average pooling, whose
currents are too weak to fire, or thresholds too high for one current.
"""

from __future__ import annotations

from stages.scores.subject import Subject

#: Spike rates outside these say nothing about the image any more.
LOWEST_RATE, HIGHEST_RATE = 0.002, 0.9
DEAD_POINTS = 8.0
#: Channels of the network that is run: whether it is alive does not depend on its width.
CHANNELS = 8


def liveness(subject: Subject) -> float:
    """Minus 8 points times the fraction of firing populations that are dead; a dead last one counts as all."""
    dead = [not LOWEST_RATE <= rate <= HIGHEST_RATE for rate in subject.small_rates(CHANNELS)]
    return -DEAD_POINTS * (1.0 if dead[-1] else sum(dead) / len(dead))
