"""Writes the integer network as NIR, the exchange format that many spiking frameworks read.

Comes in: a network with values, of any family. Goes out: one HDF5 file, in float. It is an interchange, not the artifact:
NIR's neurons are differential equations and know neither integers nor how a leak rounds. In steps of `DT` by Euler's method
they are

    v <- (1 - dt / tau) v + (dt / tau) r I          with dt / tau = 1 - keep / 2**keep_shift and r = tau / dt

which is our recurrence without the rounding of the leak. Spikes are equal where the leak does not round (keep 0 or all of
it); elsewhere a potential may come to lie on the other side of a threshold, rarely. Thresholds lie a third of a unit above
the integer ones, where no potential can be: leaks are sums of powers of two, so that > and >= mean the same. Pixels enter as
`pixel >> shift`, which whoever runs the file does. Source: Pedersen et al., Nature Communications 15, 8122 (2024).
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError, UnsupportedOperationError
from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Population
from targets.network_file import write_atomically

#: Seconds in a step; what the importers of NIR assume unless told otherwise.
DT = 1e-4
#: Of a unit of the membrane potential, above the integer threshold.
BETWEEN = np.float32(1 / 3)
OUTPUT = "output"

Floats = NDArray[np.float32]


def write_nir(network: Network, path: Path) -> None:
    """Writes the file atomically.

    Raises:
        ConfigurationError: the network has no values.
        UnsupportedOperationError: a bias that no node of NIR can hold.
    """
    import nir

    buffer = io.BytesIO()
    nir.write(buffer, graph(network))
    write_atomically(path, buffer.getvalue())


def graph(network: Network) -> Any:
    """The network as a `nir.NIRGraph`: a neuron node per population, the nodes of its connections, edges that add up."""
    import nir

    if not network.has_values:
        raise ConfigurationError("this integer network has shapes only and cannot be exported", "train it first")
    nodes: dict[str, Any] = {INPUT: nir.Input(input_type={"input": np.array(network.input.shape)})}
    edges: list[tuple[str, str]] = []
    for population in network.populations:
        incoming = network.into(population.name)
        carrier = next((c for c in incoming if c.weight is not None), None)
        for index, connection in enumerate(incoming):
            bias = population.bias if connection is carrier else None
            path = list(_path(network, connection, f"{node_name(population.name)}_in{index}", bias))
            nodes |= {step.name: step.node for step in path}
            names = [node_name(connection.source), *(step.name for step in path), node_name(population.name)]
            edges += itertools.pairwise(names)
        nodes[node_name(population.name)] = _neuron(population, carrier is None)
    nodes[OUTPUT] = nir.Output(output_type={"output": np.array(network.readout.shape)})
    edges.append((node_name(network.readout.name), OUTPUT))
    about = {"dt": DT, "timesteps": network.timesteps, "pixel_shift": network.input.shift}
    return nir.NIRGraph(nodes, edges, metadata=about, type_check=False)


def node_name(name: str) -> str:
    """A population's name as NIR's importers take it: attribute names of Python modules."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


@dataclass(frozen=True)
class _Step:
    name: str
    node: Any


def _path(network: Network, connection: Connection, name: str, bias: NDArray[np.int32] | None) -> Iterator[_Step]:
    """The nodes between a source and a population, in order."""
    import nir

    source, operation = network.shape_of(connection.source), connection.operation
    if connection.delay:
        yield _Step(f"{name}_delay", nir.Delay(np.full(source, connection.delay * DT, np.float32)))
    if isinstance(operation, Conv | Dense):
        values = _weight(network, connection)
        shift = np.zeros(len(values), np.float32) if bias is None else bias.astype(np.float32)
        if isinstance(operation, Dense):
            if len(source) > 1:
                yield _Step(f"{name}_flatten", nir.Flatten({"input": np.array(source)}, 0, -1))
            yield _Step(name, nir.Affine(values, shift))
            return
        stride, padding = (operation.stride,) * 2, (operation.padding,) * 2
        full = _ungrouped(values, operation.groups)
        yield _Step(name, nir.Conv2d(source[1:], full, stride, padding, (1, 1), 1, shift))
        return
    shape = network.shape_of(connection.target)
    if isinstance(operation, Pool):
        sides = [np.array((side, side)) for side in (operation.kernel, operation.stride, operation.padding)]
        yield _Step(f"{name}_pool", nir.SumPool2d(*sides))
    if connection.multiplier != 1:
        yield _Step(name, nir.Scale(np.full(shape, connection.multiplier, np.float32)))


def _weight(network: Network, connection: Connection) -> Floats:
    values = network.weight_of[connection.weight or ""].values
    if values is None:
        raise ConfigurationError(f"weight {connection.weight!r} has no values")
    return values.astype(np.float32) * connection.multiplier


def _ungrouped(values: Floats, groups: int) -> Floats:
    """Kernels over all channels, zero outside of their group: NIR 1.0.8's own type check and importers know no groups."""
    out, inner, height, width = values.shape
    full = np.zeros((groups, out // groups, groups, inner, height, width), np.float32)
    own = np.arange(groups)
    full[own, :, own] = values.reshape(groups, out // groups, inner, height, width)
    return full.reshape(out, groups * inner, height, width)


def _neuron(population: Population, holds_bias: bool) -> Any:
    """The node that integrates; it holds the bias itself where no connection does."""
    import nir

    neuron, shape = population.neuron, population.shape
    keep = neuron.keep / 2**neuron.keep_shift
    none = np.zeros(shape, np.float32)
    bias = _by_neuron(population.bias, population) if holds_bias and population.bias is not None else none
    if keep == 1 and bias.any():
        raise UnsupportedOperationError(
            f"population {population.name!r}: NIR has no place for the bias of a neuron that does not leak",
            "give it a convolution or dense layer among its connections",
        )
    leak = bias / (1 - keep) if keep < 1 else none
    gain = np.full(shape, 1 / (1 - keep) if keep < 1 else 1 / DT, np.float32)
    if population.threshold is None:
        return nir.I(gain) if keep == 1 else nir.LI(gain * DT, gain, leak)
    threshold = _by_neuron(population.threshold, population) + BETWEEN / 2**neuron.fraction_bits
    if keep == 0:
        return nir.Threshold(threshold - bias)
    if keep == 1:
        return nir.IF(gain, threshold, none)
    return nir.LIF(gain * DT, gain, leak, threshold, none)


def _by_neuron(values: NDArray[np.int32], population: Population) -> Floats:
    per_channel = values.astype(np.float32).reshape(-1, *(1,) * (len(population.shape) - 1))
    return np.broadcast_to(per_channel, population.shape).copy()
