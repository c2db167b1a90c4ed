"""The integer phase against the reference: zero differing spikes, membrane potentials and scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.snn import neurons
from stages.snn.integer_network import integers, trace
from stages.snn.recurrence import Integers, Recurrence
from stages.training.measure import differences
from targets import reference
from targets.network import Connection, Conv, Network, Neuron
from targets.reference import Trace
from tests.networks import NETWORKS, filled, inputs_for, random_network
from tests.stages.random_networks import NEURONS, lowered, random_module, wired


def differing(one: Trace, other: Trace) -> int:
    """Spikes, membrane potentials and scores that differ; the names of populations must be the same."""
    assert one.spikes.keys() == other.spikes.keys()
    assert one.membranes.keys() == other.membranes.keys()
    return sum(differences(one, other)[1:3]) + int(np.count_nonzero(one.scores != other.scores))


def executed(network: Network, seed: int = 0) -> tuple[Trace, Trace]:
    """A network with values in torch and in the reference."""
    inputs = inputs_for(network, 3, seed)
    return Recurrence(network).trace(inputs, Integers.of(network)), reference.run(network, inputs)


@pytest.mark.parametrize("neuron", [*NEURONS, Neuron(1024, 12, 6, 24, 12)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_of_networks(name: str, neuron: Neuron) -> None:
    assert differing(*executed(filled(NETWORKS[name](neuron)))) == 0


@pytest.mark.parametrize("block", range(5))
def test_random_networks_with_their_own_integers(block: int) -> None:
    fired = 0.0
    for seed in range(block * 40, block * 40 + 40):
        network = random_network(seed, feedback_edges=seed % 4 == 0)
        ours, theirs = executed(network, seed)
        assert differing(ours, theirs) == 0, seed
        fired += theirs.spike_rate
    assert 0.05 < fired / 40 < 0.95


@pytest.mark.parametrize("block", range(6))
def test_random_trainable_networks_with_the_integers_of_their_parameters(block: int) -> None:
    rates = []
    for seed in range(block * 40, block * 40 + 40):
        network = wired(seed) if seed % 4 == 0 else lowered(seed)
        module = random_module(network, seed, "per_tensor" if seed % 2 else "per_channel")
        inputs = inputs_for(network, 3, seed)
        expected = reference.run(integers(module), inputs)
        assert differing(trace(module, inputs), expected) == 0, seed
        # the forward pass that is trained on is the same run
        spikes = module.run(torch.from_numpy(inputs)).spikes
        assert all(np.array_equal(spikes[name].detach().numpy(), fired) for name, fired in expected.spikes.items()), (
            seed
        )
        rates.append(expected.spike_rate)
    assert np.mean([0.01 < rate < 0.99 for rate in rates]) > 0.8


def test_a_weight_may_serve_operations_and_delays_that_differ() -> None:
    """Shared deliveries are told apart by source, operation and delay, not by the weight alone."""
    network = NETWORKS["branching"]()
    again = (
        Connection("a", "a", Conv(padding=1), "edge01", multiplier=3, delay=1),
        Connection("a", "pooled", Conv(stride=2, padding=1), "edge01"),
        Connection("b", "a", Conv(padding=1), "edge01", multiplier=-2, delay=1),
    )
    assert differing(*executed(filled(replace(network, connections=(*network.connections, *again))))) == 0


SATURATING = Neuron(96, 7, 0, 8)


@pytest.mark.parametrize("broken", ["floor for trunc0", ">= for >", "no saturation", "skip left out"])
def test_a_broken_executor_is_noticed(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = filled(NETWORKS["branching"](SATURATING, 4))
    inputs = inputs_for(network, 8)
    assert differing(Recurrence(network).trace(inputs, Integers.of(network)), reference.run(network, inputs)) == 0

    def charge(node: neurons.IntegerNode, v: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        kept = v * node.keep
        potential = (kept.floor() if broken == "floor for trunc0" else kept.trunc()) + current
        return potential if broken == "no saturation" else potential.clamp(-node.neuron.limit, node.neuron.limit)

    arguments = neurons.IntegerNode.arguments

    def lower_threshold(node: neurons.IntegerNode, inputs: tuple[torch.Tensor, ...]) -> object:
        current, threshold, bias = arguments(node, inputs)
        return current, None if threshold is None else threshold - 1, bias

    monkeypatch.setattr(
        neurons, "serves", lambda node, current: False
    )  # the kernel knows nothing of what is broken here
    monkeypatch.setattr(neurons.IntegerNode, "charge", charge)
    if broken == ">= for >":  # of whole numbers, v >= threshold is v > threshold - 1
        monkeypatch.setattr(neurons.IntegerNode, "arguments", lower_threshold)
    executor = network
    if broken == "skip left out":
        kept = tuple(c for c in network.connections if (c.source, c.target) != ("a", "c"))
        executor = Network(network.input, network.populations, kept, network.weights, network.timesteps)
    ours = Recurrence(executor).trace(inputs, Integers.of(executor))
    assert differing(ours, reference.run(network, inputs)) > 0


def test_float32_is_left_where_it_would_round() -> None:
    """keep 1000 / 4096 at 24 bits: rounded products in float32 change membrane potentials."""
    neuron = Neuron(1000, 12, 0, 24)
    network = filled(NETWORKS["chain"](neuron))
    potentials = torch.arange(2**23 - 2**16, 2**23 - 1, dtype=torch.float64)
    exact = reference.leak(potentials.numpy().astype(np.int64), neuron)
    node = neurons.IntegerNode(neuron)
    assert np.array_equal(node.charge(potentials.clone(), torch.zeros(1, dtype=torch.float64)).numpy(), exact)
    assert not np.array_equal(node.charge(potentials.float(), torch.zeros(1)).numpy(), exact)
    assert not node.float32_is_exact(2.0**20, network.timesteps)
    assert node.float32_is_exact(100, network.timesteps)
