"""The one table of small named networks that every exporter is tested with, and random ones for property tests.

Comes out: integer networks with values whose neurons do fire, so that comparing spikes says something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from targets.network import (
    INPUT,
    READOUT,
    Connection,
    Conv,
    Dense,
    Identity,
    Input,
    Network,
    Neuron,
    Pool,
    Population,
    Weight,
)


def chain(neuron: Neuron = Neuron(), bits: int = 8) -> Network:
    """Pixels 2x6x6, conv 3x3 to 4 channels, conv 3x3 stride 2 to 6 channels, dense to 5 classes."""
    return Network(
        Input((2, 6, 6)),
        (
            Population("first", (4, 6, 6), neuron),
            Population("second", (6, 3, 3), neuron),
            Population("readout", (5,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "first", Conv(padding=1), "stem"),
            Connection("first", "second", Conv(stride=2, padding=1), "down"),
            Connection("second", "readout", Dense(), "head"),
        ),
        (Weight("stem", (4, 2, 3, 3), bits), Weight("down", (6, 4, 3, 3), bits), Weight("head", (5, 54), bits)),
        timesteps=4,
    )


def branching(neuron: Neuron = Neuron(), bits: int = 8) -> Network:
    """A cell: two conv edges and a shared-weight skip into one population, a 1x1 edge, pooling before the readout."""
    return Network(
        Input((1, 6, 6)),
        (
            Population("a", (4, 6, 6), neuron),
            Population("b", (4, 6, 6), neuron),
            Population("c", (4, 6, 6), neuron, resolution=256),
            Population("pooled", (4, 3, 3), replace(neuron, keep=0)),
            Population("readout", (3,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "a", Conv(padding=1), "stem"),
            Connection("a", "b", Conv(padding=1), "edge01"),
            Connection("a", "c", Conv(padding=1), "edge01", multiplier=256),
            Connection("b", "c", Conv(), "edge12", multiplier=256),
            Connection(INPUT, "c", Conv(padding=1), "stem"),
            Connection("c", "pooled", Pool(2, 2)),
            Connection("pooled", "readout", Dense(), "head"),
        ),
        (
            Weight("stem", (4, 1, 3, 3), bits),
            Weight("edge01", (4, 4, 3, 3), bits),
            Weight("edge12", (4, 4, 1, 1), bits),
            Weight("head", (3, 36), bits),
        ),
        timesteps=3,
    )


def depthwise(neuron: Neuron = Neuron(), bits: int = 4) -> Network:
    """Odd sizes: 3x5x7 pixels, 5x5 conv with stride 2, depthwise 3x3, identity skip, no padding."""
    return Network(
        Input((3, 5, 7)),
        (
            Population("wide", (6, 3, 4), neuron),
            Population("own", (6, 3, 4), neuron),
            Population("readout", (4,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "wide", Conv(stride=2, padding=2), "stem"),
            Connection("wide", "own", Conv(padding=1, groups=6), "depthwise"),
            Connection("wide", "own", Identity(), multiplier=3),
            Connection("own", "readout", Dense(), "head"),
        ),
        (Weight("stem", (6, 3, 5, 5), bits), Weight("depthwise", (6, 1, 3, 3), bits), Weight("head", (4, 72), bits)),
        timesteps=2,
    )


def feedback(neuron: Neuron = Neuron(), bits: int = 8) -> Network:
    """Spiking input, dense layers, and a delayed connection back to the first population."""
    return Network(
        Input((12,), spiking=True),
        (
            Population("first", (10,), neuron),
            Population("second", (8,), neuron),
            Population("readout", (3,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "first", Dense(), "in"),
            Connection("first", "second", Dense(), "up"),
            Connection("second", "first", Dense(), "back", delay=1),
            Connection("second", "readout", Dense(), "head"),
        ),
        (
            Weight("in", (10, 12), bits),
            Weight("up", (8, 10), bits),
            Weight("back", (10, 8), bits),
            Weight("head", (3, 8), bits),
        ),
        timesteps=6,
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "chain": chain,
    "branching": branching,
    "depthwise": depthwise,
    "feedback": feedback,
}


def filled(network: Network, seed: int = 0) -> Network:
    """The network with random weights of full width, and thresholds near the middle of what each population receives."""
    rng = np.random.default_rng(seed)
    weights = {
        w.name: rng.integers(-(2 ** (w.bits - 1)), 2 ** (w.bits - 1), w.shape).astype(np.int8) for w in network.weights
    }
    thresholds, biases = {}, {}
    for population in network.populations:
        spread = min(max(1, int(_spread(network, population))), population.neuron.limit // 2 or 1)
        thresholds[population.name] = rng.integers(max(0, spread // 4), spread + 1, population.channels)
        biases[population.name] = rng.integers(-spread // 4, spread // 4 + 1, population.channels)
    return network.with_values(weights, thresholds, biases)


def _spread(network: Network, population: Population) -> float:
    """Standard deviation of the current into a population, for random weights and a third of the neurons firing."""
    variance = 0.0
    for connection in network.into(population.name):
        level = (network.levels_of(connection.source) - 1) * 0.5
        fan_in, step = 1.0, 1.0
        if connection.weight is not None:
            weight = network.weight_of[connection.weight]
            fan_in, step = weight.size / weight.shape[0], 2 ** (weight.bits - 1) / 3**0.5
        elif isinstance(connection.operation, Pool):
            fan_in = connection.operation.kernel**2
        variance += fan_in * (step * level * connection.multiplier) ** 2
    return float(variance**0.5)


def random_network(seed: int, *, neuron: Neuron | None = None, feedback_edges: bool = False) -> Network:
    """A random small network with values: 2 to 4 populations, several edges per node, skips, 2 to 8 bits, odd sizes."""
    rng = np.random.default_rng(seed)
    neuron = neuron or Neuron(int(rng.choice([0, 32, 64, 96, 127, 128])), 7, 0, int(rng.choice([12, 16, 24])))
    shape = (int(rng.integers(1, 4)), int(rng.integers(3, 8)), int(rng.integers(3, 8)))
    channels = int(rng.integers(2, 7))
    spatial = (channels, *shape[1:])
    populations: list[Population] = []
    connections: list[Connection] = []
    weights: list[Weight] = []

    def edge(source: str, target: str, inner: int, delay: int = 0) -> None:
        size = int(rng.choice([1, 3, 5]))
        name = f"{source}_{target}_{len(weights)}"
        weights.append(Weight(name, (channels, inner, size, size), int(rng.integers(2, 9))))
        multiplier = int(rng.choice([1, 1, 2, 5]))
        connections.append(Connection(source, target, Conv(padding=size // 2), name, multiplier, delay))

    for index in range(int(rng.integers(2, 5))):
        name = f"p{index}"
        if index == 0 or rng.random() < 0.3:
            edge(INPUT, name, shape[0])
        for earlier in populations:
            if rng.random() < 0.6:
                edge(earlier.name, name, channels)
            if rng.random() < 0.3:
                connections.append(Connection(earlier.name, name, Identity(), multiplier=int(rng.integers(1, 9))))
            if rng.random() < 0.3:  # a skip edge: the connections of the earlier population, repeated, weights shared
                connections += [
                    replace(c, target=name) for c in connections if c.target == earlier.name and not c.delay
                ]
        if not any(c.target == name for c in connections):
            edge(populations[-1].name, name, channels)
        populations.append(Population(name, spatial, neuron))
    if feedback_edges:
        edge(populations[-1].name, populations[0].name, channels, delay=1)
    readout = int(rng.integers(2, 6))
    weights.append(Weight("head", (readout, channels * shape[1] * shape[2]), int(rng.integers(2, 9))))
    connections.append(Connection(populations[-1].name, "readout", Dense(), "head"))
    populations.append(Population("readout", (readout,), READOUT, fires=False))
    empty = Network(Input(shape), tuple(populations), tuple(connections), tuple(weights), int(rng.integers(1, 6)))
    return filled(empty, seed)


def inputs_for(network: Network, samples: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Random inputs of the network's shape."""
    rng = np.random.default_rng(seed)
    if network.input.spiking:
        return rng.integers(0, 2, (samples, network.timesteps, *network.input.shape)).astype(np.uint8)
    return rng.integers(0, 256, (samples, *network.input.shape)).astype(np.uint8)
