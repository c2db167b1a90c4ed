"""Turns the integer network into Lava's processes: groups of neurons, groups of synapses, and relays that equalize delays.

Comes in: a network (shapes are enough). Goes out: the graph that is sized, packed into cores and written. Every synapse
process of Lava (and every hop on the chip) takes one step, so a spike that skips a layer would arrive too early. Each
population therefore has a depth, the longest way from the input in synapses, and whoever reaches deeper than its
neighbour goes through relays: neurons without memory that repeat each spike one step later. All neurons at depth d then
compute step t of the network at step t + d of the chip, and the result equals the layer-synchronous network's exactly.
The host sends the input of deeper populations later instead. Readout and relays are ordinary LIF neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from targets.network import INPUT, Connection, Conv, Dense, Network, Pool, Shape
from targets.profile import Profile

RELAY_WEIGHT, RELAY_THRESHOLD = 2, 1
#: The greatest threshold there is. `targets.loihi.rules` keeps the readout's potential at or below it.
UNREACHABLE_THRESHOLD = 2**17 - 1
DECAY_ONE = 2**12
"""A leak of keep / 2**12: Loihi's 12-bit decay is DECAY_ONE - keep."""


@dataclass(frozen=True)
class Neurons:
    """One LIF process: a population, or a relay of one."""

    name: str
    shape: Shape
    depth: int
    #: Leak in units of 1 / DECAY_ONE.
    keep: int
    #: The population; None for a relay.
    population: str | None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.shape)


@dataclass(frozen=True)
class Synapses:
    """One connection process. `on_host` means that the host computes this current once per image (Loihi 1)."""

    source: str
    target: str
    kind: Literal["conv", "dense"]
    source_shape: Shape
    #: [out, in / groups, kh, kw] or [out, in].
    kernel: Shape
    stride: int = 1
    padding: int = 0
    groups: int = 1
    #: The connection of the network that this is; None in front of a relay.
    connection: Connection | None = None
    #: Steps by which the host sends the input later than to a neuron at depth 1.
    lag: int = 0
    on_host: bool = False

    @property
    def size(self) -> int:
        """Number of stored weights."""
        return prod(self.kernel)

    @property
    def fan_in(self) -> int:
        """Most spikes that one target neuron can receive in one step."""
        return prod(self.kernel[1:])


@dataclass(frozen=True)
class Graph:
    """All processes of an exported network, in the order of their depth."""

    neurons: tuple[Neurons, ...]
    synapses: tuple[Synapses, ...]

    @property
    def depth(self) -> int:
        """Steps from an image's first pixel to the readout's first potential."""
        return max(group.depth for group in self.neurons)

    @property
    def on_chip(self) -> tuple[Synapses, ...]:
        """Synapses that the chip holds."""
        return tuple(group for group in self.synapses if not group.on_host)

    @property
    def on_host(self) -> tuple[Synapses, ...]:
        """Synapses that the host evaluates."""
        return tuple(group for group in self.synapses if group.on_host)

    @property
    def is_chain(self) -> bool:
        """Whether every layer feeds the next one only, which is what a NetX file can say."""
        inputs = [group.target for group in self.synapses]
        return len(set(inputs)) == len(inputs) == self.depth and all(n.population is not None for n in self.neurons)


def graph_for(network: Network, profile: Profile) -> Graph:
    """The graph on a board: pixels enter as graded spikes, or through the neurons' biases where there are none."""
    return build(network, graded_input=not profile.neuron.pixels_in_bias)


def build(network: Network, graded_input: bool) -> Graph:
    """The graph of a network without feedback. Without graded input, pixels become currents on the host."""
    depth = _depths(network, graded_input)
    relays: dict[str, int] = {}
    synapses: list[Synapses] = []
    for connection in network.connections:
        host = connection.source == INPUT and not graded_input and not network.input.spiking
        hops = depth[connection.target] - 1 - (0 if connection.source == INPUT else depth[connection.source])
        source = connection.source
        if source != INPUT:
            relays[source] = max(relays.get(source, 0), hops)
            source = relay_name(source, hops)
        lag = hops if connection.source == INPUT and not host else 0
        synapses.append(_synapses(network, connection, source, lag, host))
    neurons = [
        Neurons(p.name, p.shape, depth[p.name], p.neuron.keep << (12 - p.neuron.keep_shift), p.name)
        for p in network.populations
    ]
    for source, hops in relays.items():
        shape = network.shape_of(source)
        for hop in range(1, hops + 1):
            name, before = relay_name(source, hop), relay_name(source, hop - 1)
            neurons.append(Neurons(name, shape, depth[source] + hop, 0, None))
            synapses.append(_one_to_one(before, name, shape))
    order = {group.name: index for index, group in enumerate(sorted(neurons, key=lambda group: group.depth))}
    return Graph(
        tuple(sorted(neurons, key=lambda group: order[group.name])),
        tuple(sorted(synapses, key=lambda group: order[group.target])),
    )


def weights(network: Network, synapses: Synapses) -> NDArray[np.int32]:
    """The effective integer weights of a synapse process, in the shape of its kernel."""
    connection = synapses.connection
    if connection is None:
        return np.full(synapses.kernel, RELAY_WEIGHT, np.int32)
    if connection.weight is None:
        return np.full(synapses.kernel, connection.multiplier, np.int32)
    values = network.weight_of[connection.weight].values
    if values is None:
        raise ValueError(f"weight {connection.weight!r} has no values")
    return np.asarray(values.astype(np.int32) * connection.multiplier).reshape(synapses.kernel)


def weight_range(network: Network, synapses: Synapses) -> tuple[int, int]:
    """Least and greatest effective weight, from the values or, without them, from the number of bits."""
    connection = synapses.connection
    if connection is None or connection.weight is None or network.weight_of[connection.weight].values is not None:
        effective = weights(network, synapses)
        return int(effective.min()), int(effective.max())
    half = 2 ** (network.weight_of[connection.weight].bits - 1)
    ends = (-half * connection.multiplier, (half - 1) * connection.multiplier)
    return min(ends), max(ends)


def relay_name(source: str, hop: int) -> str:
    """Name of the relay that repeats a population's spikes `hop` steps later; hop 0 is the population."""
    return source if hop == 0 else f"{source}+{hop}"


def _depths(network: Network, graded_input: bool) -> dict[str, int]:
    depth: dict[str, int] = {}
    for population in network.populations:
        sources = [c.source for c in network.into(population.name) if not c.delay]
        depth[population.name] = 1 + max((depth[name] for name in sources if name != INPUT), default=0)
    return depth


def _synapses(network: Network, connection: Connection, source: str, lag: int, on_host: bool) -> Synapses:
    operation, shape = connection.operation, network.shape_of(connection.source)
    if isinstance(operation, Conv):
        kernel = network.weight_of[connection.weight or ""].shape
        stride, padding, groups = operation.stride, operation.padding, operation.groups
    elif isinstance(operation, Dense):
        kernel = network.weight_of[connection.weight or ""].shape
        return Synapses(source, connection.target, "dense", shape, kernel, 1, 0, 1, connection, lag, on_host)
    elif isinstance(operation, Pool):
        kernel = (shape[0], 1, operation.kernel, operation.kernel)
        stride, padding, groups = operation.stride, operation.padding, shape[0]
    else:
        kernel, stride, padding, groups = (shape[0], 1, 1, 1), 1, 0, shape[0]
    return Synapses(source, connection.target, "conv", shape, kernel, stride, padding, groups, connection, lag, on_host)


def _one_to_one(source: str, target: str, shape: Shape) -> Synapses:
    return Synapses(source, target, "conv", shape, (shape[0], 1, 1, 1), groups=shape[0])
