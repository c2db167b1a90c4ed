"""Random networks that torch can train: lowered from random cells, and populations wired at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from stages.snn.architecture import Architecture, lower
from stages.snn.cells import SKIP, Cell, Edge, avgpool, conv, pairs
from stages.snn.float_network import FloatNetwork
from stages.snn.integer_network import IntegerNetwork, WeightScale
from targets.network import Conv, Identity, Network, Neuron, Weight
from targets.profile import load_profile
from tests.networks import random_network

PROFILE = load_profile("jetson_nano")
NEURONS = (
    Neuron(),
    Neuron(96, 7, 0, 24),
    Neuron(127, 7, 0, 16),
    Neuron(0, 7, 0, 16),
    Neuron(1024, 12, 6, 24, 24),
    Neuron(1000, 12, 6, 24, 24),
    Neuron(128, 7, 2, 16),
    Neuron(77, 7, 0, 8),
)


def random_cell(rng: np.random.Generator) -> Cell:
    """Two to four nodes, at least one path, sometimes a feedback edge."""
    while True:
        nodes = int(rng.integers(2, 5))
        kinds = [None, SKIP, avgpool(), conv(1), conv(3), conv(3, 0.5), conv(5, 1.5)]
        chosen = [(s, t, kinds[int(rng.integers(len(kinds)))]) for s, t in pairs(nodes)]
        if nodes > 2 and rng.random() < 0.3:
            chosen.append((nodes - 1, 1, conv(1)))
        cell = Cell(nodes, tuple(sorted(Edge(s, t, op) for s, t, op in chosen if op is not None)))
        if cell.connected:
            return cell


def lowered(seed: int) -> Network:
    """A random architecture in a random arithmetic, 2 to 8 bits, with pixels or spikes, pooled or hidden head."""
    rng = np.random.default_rng(seed)
    cells = tuple(str(random_cell(rng)) for _ in range(int(rng.integers(1, 3))))
    architecture = Architecture(
        input_shape=(int(rng.integers(1, 4)), int(rng.integers(5, 9)), int(rng.integers(5, 9))),
        classes=int(rng.integers(2, 6)),
        cells=cells,
        channels=int(rng.integers(2, 5)),
        timesteps=int(rng.integers(1, 5)),
        weight_bits=int(rng.integers(2, 9)),
        spiking_input=bool(rng.random() < 0.3),
        head_pool=int(rng.integers(1, 3)),
        hidden=int(rng.choice([0, 6])),
    )
    chosen = NEURONS[int(rng.integers(len(NEURONS)))]
    table = {
        "keep": chosen.keep,
        "keep_shift": chosen.keep_shift,
        "fraction_bits": chosen.fraction_bits,
        "state_bits": chosen.state_bits,
        "current_bits": chosen.current_bits,
        "pixel_shift": int(rng.choice([0, 0, 4])),
    }
    return lower(architecture, PROFILE.model_copy(update={"neuron": PROFILE.neuron.model_copy(update=table)}))


def wired(seed: int) -> Network:
    """A random network of mixed bits; identities become constant depthwise weights, which the tie's scale can measure."""
    network = random_network(seed, feedback_edges=seed % 3 == 0).without_values()
    connections, weights = [], list(network.weights)
    for connection in network.connections:
        if isinstance(connection.operation, Identity):
            channels = network.shape_of(connection.source)[0]
            weights.append(Weight(f"constant{len(weights)}", (channels, 1, 1, 1), 5, constant=0.5))
            connection = replace(connection, operation=Conv(groups=channels), weight=weights[-1].name)
        connections.append(connection)
    return Network(network.input, network.populations, tuple(connections), tuple(weights), network.timesteps)


def random_module(network: Network, seed: int, scale: WeightScale) -> IntegerNetwork:
    """An integer network with random weights, biases and BatchNorm, negative gammas included, that does spike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = FloatNetwork(network)
        for norm in module.norms.values():
            norm.weight.data.normal_(0.5, 1.0)
            norm.bias.data.normal_(0.3, 0.5)
            norm.running_mean.normal_(0.0, 0.1)
            norm.running_var.uniform_(0.01, 0.5)
        return IntegerNetwork.from_float(module.eval(), scale)
