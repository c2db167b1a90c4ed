"""How busy a network is: spike rates and synaptic operations, counted from a trace.

Comes in: a network and the Trace of its run. Goes out: counts that add up over batches. A synaptic operation is one spike
arriving at one neuron through one weight (or one unweighted connection), counted exactly: a spike at the border of an image
meets fewer weights than one in the middle. Pixels are no spikes; what they cost is a product, counted apart.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Shape
from targets.reference import Trace


def spike_counts(trace: Trace) -> dict[str, NDArray[np.int64]]:
    """Spikes of each firing population at each step, over all samples and neurons: [T]."""
    return {name: spikes.reshape(len(spikes), -1).sum(1, dtype=np.int64) for name, spikes in trace.spikes.items()}


def synaptic_operations(network: Network, trace: Trace, inputs: NDArray[np.uint8]) -> dict[str, int]:
    """Additions that spikes cause in each population, over all samples and steps (input spikes count, pixels do not)."""
    totals = {population.name: 0 for population in network.populations}
    for connection in network.connections:
        if connection.source != INPUT:
            spikes = trace.spikes[connection.source]
            arriving = spikes[: len(spikes) - connection.delay].sum((0, 1), dtype=np.int64)
        elif network.input.spiking:
            arriving = inputs.sum((0, 1), dtype=np.int64)
        else:
            continue
        totals[connection.target] += int((arriving * fan_out(network, connection)).sum())
    return totals


def pixel_operations(network: Network) -> int:
    """Multiplications by pixels for one sample and step; 0 where the input is spikes."""
    if network.input.spiking:
        return 0
    return sum(int(fan_out(network, connection).sum()) for connection in network.out_of(INPUT))


def most_operations(network: Network) -> int:
    """Operations of one sample if every source were active at every step: what a dense runtime computes, whatever fires."""
    return network.timesteps * sum(int(fan_out(network, connection).sum()) for connection in network.connections)


def fan_out(network: Network, connection: Connection) -> NDArray[np.int64]:
    """Neurons that a spike of each source neuron reaches through a connection: [*source shape]."""
    operation, source = connection.operation, network.shape_of(connection.source)
    if isinstance(operation, Dense):
        return np.full(source, network.shape_of(connection.target)[0])
    if isinstance(operation, Pool):
        size = (operation.kernel, operation.kernel)
        return _windows_over(source, size, operation.stride, operation.padding)
    if isinstance(operation, Conv) and connection.weight is not None:
        weight = network.weight_of[connection.weight].shape
        windows = _windows_over(source, weight[2:], operation.stride, operation.padding)
        return windows * (weight[0] // operation.groups)
    return np.ones(source, np.int64)


def _windows_over(source: Shape, size: Shape, stride: int, padding: int) -> NDArray[np.int64]:
    """How many windows of a sliding kernel cover each position of [C, H, W]."""
    rows, columns = (_covers(source[axis + 1], size[axis], stride, padding) for axis in (0, 1))
    return np.broadcast_to(rows[:, None] * columns[None, :], source).astype(np.int64)


def _covers(length: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    counts = np.zeros(length + 2 * padding, np.int64)
    for start in range(0, length + 2 * padding - kernel + 1, stride):
        counts[start : start + kernel] += 1
    return counts[padding : padding + length]


def neurons(network: Network) -> int:
    """Neurons that fire."""
    return sum(prod(population.shape) for population in network.populations if population.fires)
