"""The largest magnitudes that can occur, from shapes and bits: what proves that int32 holds every intermediate result.

Goes in: a network, with or without values. Comes out: bounds per population. Weights are taken to use their whole range; a
bias counts as it is, and as no larger than the largest current until it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from targets.network import Connection, Network, Neuron, Pool, Population

INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Leak:
    """keep / 2**keep_shift as a reduced fraction: trunc0(v * keep / 2**n) is trunc0(v * numerator / denominator)."""

    numerator: int
    denominator: int

    @classmethod
    def of(cls, neuron: Neuron) -> Leak:
        """Reduced by the common factor, which keeps the product narrow: 32 / 128 is 1 / 4."""
        common = gcd(neuron.keep, 2**neuron.keep_shift)
        return cls(neuron.keep // common, 2**neuron.keep_shift // common)


@dataclass(frozen=True)
class Bounds:
    """Largest magnitudes within one population over all T steps."""

    #: The summed synaptic current, already times 2**F.
    current: int
    #: The membrane potential times the leak's numerator, before the division.
    product: int
    #: Leaked potential plus current plus bias, before it saturates.
    potential: int

    @property
    def largest(self) -> int:
        """The largest magnitude of any intermediate result."""
        return max(self.current, self.product, self.potential)


def bounds(network: Network, population: Population) -> Bounds:
    """Bounds of one population, by running its equation on worst cases for T steps."""
    neuron, leak = population.neuron, Leak.of(population.neuron)
    current = largest_current(network, population)
    held = current if neuron.current_bits is None else min(current, 2 ** (neuron.current_bits - 1))
    if population.bias is None:
        bias = held
    else:
        bias = int(np.abs(population.bias.astype(np.int64)).max(initial=0)) << neuron.fraction_bits
    membrane = product = potential = 0
    for _ in range(network.timesteps):
        product = membrane * leak.numerator
        potential = product // leak.denominator + held + bias
        membrane = min(potential, neuron.limit)
    return Bounds(current + bias, product, potential)


def largest_current(network: Network, population: Population) -> int:
    """The largest magnitude of the summed current into a population, times 2**F, from shapes and bits alone."""
    total = sum(_largest(network, connection) for connection in network.into(population.name))
    return total << population.neuron.fraction_bits


def wraps(network: Network, population: Population) -> bool:
    """Whether the current can leave its register; judged by shapes and bits, so that training cannot change the graph."""
    bits = population.neuron.current_bits
    return bits is not None and largest_current(network, population) > 2 ** (bits - 1) - 1


def _largest(network: Network, connection: Connection) -> int:
    per_value = network.levels_of(connection.source) - 1
    operation = connection.operation
    if isinstance(operation, Pool):
        per_value *= operation.kernel**2
    elif connection.weight is not None:
        weight = network.weight_of[connection.weight]
        per_value *= weight.size // weight.shape[0] * 2 ** (weight.bits - 1)
    return per_value * abs(connection.multiplier)
