"""Wakes populations that never fire.

Comes in: a module and a population that was silent on the whole validation split. Goes out: its bias, raised. A surrogate
gradient fades with the distance from the threshold, so a population far below it would never come back by learning alone.
"""

from __future__ import annotations

from typing import cast

import torch

from stages.snn.float_network import FloatNetwork, key
from stages.snn.folding import Norm
from stages.snn.integer_network import IntegerNetwork

LIFT = 0.5
"""By what share of the threshold the current of every step is raised."""


@torch.no_grad()
def wake(module: FloatNetwork | IntegerNetwork, population: str) -> bool:
    """Raises the bias of a population; False where it has none that could be raised (it pools, or averages)."""
    name = key(population)
    lift = LIFT * module.network.population_of[population].theta
    if isinstance(module, IntegerNetwork):
        if name not in module.biases:
            return False
        module.biases[name].add_(lift)
        return True
    for connection in module.network.into(population):
        weight = key(connection.weight or "")
        if weight in module.norms:
            cast(Norm, module.norms[weight]).bias.add_(lift / module.gain(connection))
            return True
    return False
