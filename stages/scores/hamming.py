"""Sparsity-aware Hamming distance (SAHD), the score of SNASNet and SpikeNAS: how differently a network sees different images.

Comes in: an architecture and a batch. Goes out: log det of a kernel between the samples; higher means better told apart.

As SNASNet's code defines it (arXiv 2201.10355 and its repository at 4980409), for every LIF layer with N neurons, each step:
x is 1 where a neuron fired, r_i the spike rate of sample i,

    HD_ij = neurons that differ between samples i and j
    E_ij  = N * (r_i * (1 - r_j) + (1 - r_i) * r_j)          what HD_ij is for independent neurons of these rates
    K_ij += N - 0.5 / (E_ij + 1e-3) * HD_ij

and the score is log |det (K / number of layers)|. Computed in float64: in float32 the sums lose up to 0.3 of the score.
SNASNet has one LIF per convolution edge where this project shares one population between edges: it counts as often as
edges leave it. Kept to reproduce the papers; on trained cells it ranks worse than counting convolutions on the longest path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stages.scores.subject import Subject
from targets.network import Network

if TYPE_CHECKING:
    from torch import Tensor


def sahd(subject: Subject) -> float:
    """The score of an untrained network of the architecture's own width."""
    spikes = subject.spikes()
    return log_det_kernel((spikes[name], times) for name, times in layers(subject.network()))


def layers(network: Network) -> list[tuple[str, int]]:
    """Firing populations, and how many LIF layers of SNASNet each stands for: one per weight that its spikes meet."""
    counted = []
    for population in network.populations:
        leaving = {c.weight for c in network.out_of(population.name)}
        if population.fires:
            counted.append((population.name, max(1, len(leaving))))
    return counted


def log_det_kernel(layers: Iterable[tuple[Tensor, int]]) -> float:
    """log |det| of the kernel summed over layers of spikes [T, N, ...], each counted a number of times."""
    import torch

    kernel: Tensor | float = 0.0
    total = 0
    for spikes, times in layers:
        total += times
        for fired in spikes.flatten(2).double().unbind(0):
            neurons = fired.shape[1]
            rate = fired.mean(1)
            both = fired @ fired.T
            distance = fired.sum(1)[:, None] + fired.sum(1)[None, :] - 2 * both
            expected = neurons * (rate[:, None] * (1 - rate)[None, :] + (1 - rate)[:, None] * rate[None, :])
            kernel = kernel + times * (neurons - 0.5 / (expected + 1e-3) * distance)
    return float(torch.linalg.slogdet(torch.as_tensor(kernel) / total).logabsdet)
