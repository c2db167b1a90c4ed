"""How far a membrane potential can go: a proof from the weights, or the worst case from shapes and bits.

Comes in: a network and one of its populations. Goes out: the lowest and the highest potential that any input of
`timesteps` steps can cause, before saturation and reset. Exporters choose the width of the stored state from it, and leave
saturation out where it is excluded.

Per channel, with I- and I+ the least and the greatest current of a step (bias included), L the leak:

    high_1 = I+,  high_t = L(max(0, min(high_{t-1}, threshold))) + I+      low_1 = I-,  low_t = L(min(0, low_{t-1})) + I-

A potential that stays is at most the threshold (hard reset, strict comparison); a reset one is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from targets.network import Connection, Identity, Network, Neuron, Pool, Population

Values = NDArray[np.int64]
#: Sums are kept below this, so that a hopeless population saturates the bound instead of wrapping it.
_CEILING = 2**60


@dataclass(frozen=True)
class Bound:
    """Inclusive range of a membrane potential before saturation, and whether weights proved it or shapes alone."""

    low: int
    high: int
    proven: bool

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(-self.low, self.high)

    def within(self, limit: int) -> bool:
        """Whether no potential leaves +-limit."""
        return self.magnitude <= limit


def potential_bound(network: Network, population: Population) -> Bound:
    """The range of a population's membrane potentials.

    Without weight values every weight is taken at the end of its range, the threshold as unreachable and the bias as
    absorbed by the weights, which never all lie at their ends: the worst case in practice, a proof only with values.
    """
    neuron = population.neuron
    low, high = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for connection in network.into(population.name):
        least, most = _current(network, connection)
        low, high = low + least, high + most
    bias = np.zeros(1, np.int64) if population.bias is None else population.bias.astype(np.int64)
    low, high = (low + bias) << neuron.fraction_bits, (high + bias) << neuron.fraction_bits
    threshold = np.full(1, _CEILING)
    if population.threshold is not None:
        threshold = population.threshold.astype(np.int64) << neuron.fraction_bits
    bottom, top = _over_time(neuron, low, high, threshold, network.timesteps)
    return Bound(bottom, top, network.has_values)


def _over_time(neuron: Neuron, low: Values, high: Values, threshold: Values, timesteps: int) -> tuple[int, int]:
    bottom, top = low, high
    for _ in range(1, timesteps):
        kept_low = np.maximum(np.minimum(bottom, 0), -neuron.limit)
        kept_high = np.maximum(np.minimum(np.minimum(top, threshold), neuron.limit), 0)
        before = bottom, top
        bottom, top = low - _leak(-kept_low, neuron), high + _leak(kept_high, neuron)
        if np.array_equal(before[0], bottom) and np.array_equal(before[1], top):
            break
    return int(np.minimum(bottom, low).min()), int(np.maximum(top, high).max())


def _leak(magnitude: Values, neuron: Neuron) -> Values:
    return np.asarray(magnitude * neuron.keep >> neuron.keep_shift)


def _current(network: Network, connection: Connection) -> tuple[Values, Values]:
    """Least and greatest sum that a connection delivers to a neuron, per channel or for all."""
    largest = connection.multiplier * (network.levels_of(connection.source) - 1)
    negative, positive = _weights(network, connection)
    ends = np.asarray(negative * largest), np.asarray(positive * largest)
    return np.minimum(*ends), np.maximum(*ends)


def _weights(network: Network, connection: Connection) -> tuple[Values, Values]:
    """Sums of the negative and of the positive weights that end in a neuron."""
    operation = connection.operation
    if isinstance(operation, Pool | Identity) or connection.weight is None:
        size = operation.kernel**2 if isinstance(operation, Pool) else 1
        return np.zeros(1, np.int64), np.full(1, size, np.int64)
    weight = network.weight_of[connection.weight]
    if weight.values is not None:
        values = weight.values.astype(np.int64)
        axes = tuple(range(1, values.ndim))
        return np.minimum(values, 0).sum(axes), np.maximum(values, 0).sum(axes)
    fan_in, half = prod(weight.shape[1:]), 2 ** (weight.bits - 1)
    lowest = 0 if weight.constant is not None and weight.constant >= 0 else -half
    return np.full(1, fan_in * lowest, np.int64), np.full(1, fan_in * (half - 1), np.int64)
