"""The bound holds for every input that is tried, and is reached by the input that it describes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from targets.bounds import potential_bound
from targets.network import INPUT, READOUT, Connection, Dense, Input, Network, Neuron, Population, Weight
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for, random_network


def unreset(network: Network) -> Network:
    """Wide states, so that nothing saturates and the bound itself is looked at."""
    return replace(
        network,
        populations=tuple(replace(p, neuron=replace(p.neuron, state_bits=32)) for p in network.populations),
    )


@pytest.mark.parametrize("network", [filled(make()) for make in NETWORKS.values()], ids=list(NETWORKS))
def test_no_potential_leaves_the_bound(network: Network) -> None:
    check(unreset(network))


@pytest.mark.parametrize("seed", range(40))
def test_no_potential_of_a_random_network_leaves_the_bound(seed: int) -> None:
    check(unreset(random_network(seed, feedback_edges=seed % 2 == 0)))


def check(network: Network) -> None:
    trace = run(network, inputs_for(network, 8))
    for population in network.populations:
        bound, membranes = potential_bound(network, population), trace.membranes[population.name]
        assert bound.proven
        assert bound.low <= membranes.min() and membranes.max() <= bound.high


def one_neuron(weights: list[int], threshold: int, bias: int, timesteps: int, keep: int = 64) -> Network:
    neuron = Neuron(keep, 7, 0, 32)
    return Network(
        Input((len(weights),)),
        (Population("one", (1,), neuron), Population("readout", (1,), READOUT, fires=False)),
        (Connection(INPUT, "one", Dense(), "w"), Connection("one", "readout", Dense(), "head")),
        (Weight("w", (1, len(weights)), 8), Weight("head", (1, 1), 8)),
        timesteps,
    ).with_values(
        {"w": np.array([weights]), "head": np.array([[1]])},
        {"one": np.array([threshold])},
        {"one": np.array([bias]), "readout": np.array([0])},
    )


def test_bound_is_the_potential_of_the_worst_input() -> None:
    network = one_neuron([100, -50], threshold=10**6, bias=7, timesteps=3)
    highest = 255 * 100 + 7
    lowest = -255 * 50 + 7
    bound = potential_bound(network, network.population_of["one"])
    assert bound.high == highest + (highest + highest // 2) // 2
    assert bound.low == lowest - (-lowest + -lowest // 2) // 2
    trace = run(network, np.array([[255, 0], [0, 255]], np.uint8))
    assert trace.membranes["one"][-1].ravel().tolist() == [bound.high, bound.low]


def test_threshold_ends_the_growth() -> None:
    network = one_neuron([1], threshold=100, bias=0, timesteps=50, keep=128)
    assert potential_bound(network, network.population_of["one"]).high == 100 + 255


def test_shapes_alone_give_the_ends_of_the_weights() -> None:
    network = one_neuron([1, 1], threshold=1, bias=0, timesteps=1).without_values()
    bound = potential_bound(network, network.population_of["one"])
    assert (bound.low, bound.high, bound.proven) == (-2 * 128 * 255, 2 * 127 * 255, False)
