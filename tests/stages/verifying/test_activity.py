"""Synaptic operations are counted exactly: against the definition, one spike and one weight at a time."""

from __future__ import annotations

import numpy as np
import pytest

from stages.verifying.activity import fan_out, pixel_operations, spike_counts, synaptic_operations
from targets.network import INPUT, Connection, Conv, Dense, Network, Pool
from targets.reference import Trace, apply, run
from tests.networks import NETWORKS, filled, inputs_for, random_network


def ones(network: Network) -> Network:
    """The same network with every weight 1, so that a current counts the weights that a spike meets."""
    return network.with_values(
        {w.name: np.ones(w.shape, np.int8) for w in network.weights},
        {p.name: np.zeros(p.channels, np.int32) for p in network.populations},
        {p.name: np.zeros(p.channels, np.int32) for p in network.populations},
    )


def by_definition(network: Network, connection: Connection) -> np.ndarray:
    """The current that one spike of each neuron alone causes, all weights being 1."""
    shape = network.shape_of(connection.source)
    size = int(np.prod(shape))
    single = np.eye(size, dtype=np.int64).reshape(size, *shape)
    return apply(ones(network), connection, single).reshape(size, -1).sum(1).reshape(shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_fan_out_is_what_a_single_spike_reaches(name: str) -> None:
    network = NETWORKS[name]()
    for connection in network.connections:
        assert np.array_equal(fan_out(network, connection), by_definition(network, connection)), connection


@pytest.mark.parametrize("seed", range(8))
def test_fan_out_of_random_networks(seed: int) -> None:
    network = random_network(seed)
    for connection in network.connections:
        assert np.array_equal(fan_out(network, connection), by_definition(network, connection)), connection


def counted_slowly(network: Network, trace: Trace, inputs: np.ndarray) -> int:
    total = 0
    for connection in network.connections:
        if connection.source == INPUT:
            arriving = inputs.astype(np.int64).swapaxes(0, 1) if network.input.spiking else []
        else:
            arriving = trace.spikes[connection.source].astype(np.int64)
        for step in range(network.timesteps - connection.delay) if len(arriving) else ():
            total += int(apply(ones(network), connection, arriving[step]).sum())
    return total


@pytest.mark.parametrize("name", NETWORKS)
def test_synaptic_operations_of_a_run(name: str) -> None:
    network = filled(NETWORKS[name]())
    inputs = inputs_for(network)
    trace = run(network, inputs)
    assert sum(synaptic_operations(network, trace, inputs).values()) == counted_slowly(network, trace, inputs) > 0


def test_pixels_are_counted_apart() -> None:
    assert pixel_operations(NETWORKS["feedback"]()) == 0
    # a 3x3 convolution of 2x6x6 with padding 1: 36 inner windows lose their borders
    assert pixel_operations(NETWORKS["chain"]()) == 2 * 4 * (6 * 3 - 2) ** 2


def test_spikes_are_counted_per_step() -> None:
    network = filled(NETWORKS["chain"]())
    trace = run(network, inputs_for(network))
    counts = spike_counts(trace)
    assert {name: list(per_step) for name, per_step in counts.items()} == {
        name: [int(step.sum()) for step in spikes] for name, spikes in trace.spikes.items()
    }
    assert all(isinstance(c.operation, Conv | Dense | Pool) for c in network.connections)
