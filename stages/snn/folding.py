"""From float to integer phase: BatchNorm measured once more, then folded into weights and biases.

Comes in: a trained float network. Goes out: real-valued weights, and one bias per population and channel. Folding comes before
quantizing, so that integers are chosen for the weights that run; a negative gamma needs nothing special then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from stages.snn.float_network import FloatNetwork, key

Norm = nn.BatchNorm1d | nn.BatchNorm2d


@torch.no_grad()
def reestimate(network: FloatNetwork, batches: Iterable[Tensor]) -> None:
    """Replaces the running statistics of every BatchNorm by the mean over the batches, for the weights as they are now.

    While weights move, running statistics lag behind them.
    """
    norms = [module for module in network.modules() if isinstance(module, Norm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to ask for the mean over all batches
    network.train()
    for images in batches:
        network(images)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def folded(network: FloatNetwork) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights by name with their BatchNorm folded in, and the bias [channels] of every population that has a node.

    BatchNorm(W x) = g W x + (beta - mean g) with g = gamma / sqrt(var + eps); the bias of a population is the sum of those
    of its connections, each times its gain.
    """
    weights: dict[str, Tensor] = {}
    shifts: dict[str, Tensor] = {}
    for weight in network.network.weights:
        values = network.weights[key(weight.name)].detach()
        if key(weight.name) in network.norms:
            norm = cast(Norm, network.norms[key(weight.name)])
            gain = norm.weight.detach() / (cast(Tensor, norm.running_var) + norm.eps).sqrt()
            shifts[weight.name] = norm.bias.detach() - cast(Tensor, norm.running_mean) * gain
            values = values * gain.reshape(-1, *(1 for _ in weight.shape[1:]))
        weights[weight.name] = values.clone()
    biases = {}
    for population in network.network.populations:
        if network.pools(population):
            continue
        bias = torch.zeros(population.channels) if population.fires else network.bias.detach().flatten().clone()
        for connection in network.network.into(population.name):
            if connection.weight in shifts:
                bias += network.gain(connection) * shifts[connection.weight]
        biases[population.name] = bias
    return weights, biases
