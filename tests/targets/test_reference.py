"""The golden executor against the equations written out one neuron at a time, and against its own broken variants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import trunc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets import reference
from targets.errors import ConfigurationError
from targets.network import INPUT, Conv, Dense, Identity, Network, Neuron, Pool, Population
from tests.networks import NETWORKS, chain, filled, inputs_for, random_network


def scalar_step(potential: int, current: int, bias: int, threshold: int, neuron: Neuron) -> tuple[int, bool]:
    """The equation of `targets.network`, in exact rational arithmetic."""
    leaked = trunc(Fraction(potential * neuron.keep, 2**neuron.keep_shift))
    current = current * 2**neuron.fraction_bits
    if neuron.current_bits is not None:
        half = 2 ** (neuron.current_bits - 1)
        if current > half:
            current -= 2 * half
        elif current <= -half:
            current += 2 * half
    potential = max(-neuron.limit, min(neuron.limit, leaked + current + bias * 2**neuron.fraction_bits))
    return (0, True) if potential > threshold * 2**neuron.fraction_bits else (potential, False)


neurons = st.builds(
    Neuron,
    keep=st.integers(0, 128),
    keep_shift=st.just(7),
    fraction_bits=st.integers(0, 8),
    state_bits=st.sampled_from([8, 12, 16, 24]),
    current_bits=st.sampled_from([None, 12, 24]),
)


@given(neurons, st.integers(-(2**15), 2**15), st.integers(-(2**11), 2**11), st.integers(-99, 99), st.integers(0, 300))
def test_one_neuron_is_the_equation(neuron: Neuron, potential: int, current: int, bias: int, threshold: int) -> None:
    potential = max(-neuron.limit, min(neuron.limit, potential))
    population = Population("p", (1,), neuron, threshold=np.array([threshold]), bias=np.array([bias]))
    after, fired = reference.integrate(population, np.array([[potential]]), np.array([[current]]))
    assert (int(after[0, 0]), bool(fired[0, 0])) == scalar_step(potential, current, bias, threshold, neuron)


def slow_current(network: Network, connection_source: np.ndarray, connection: object) -> np.ndarray:
    """A connection's current by loops over every index."""
    c = connection
    operation, source = c.operation, connection_source  # type: ignore[attr-defined]
    if isinstance(operation, Identity):
        return source
    weight = None if c.weight is None else network.weight_of[c.weight].values.astype(int)  # type: ignore[attr-defined,union-attr]
    if isinstance(operation, Dense):
        return weight @ source.reshape(-1)
    shape = network.shape_of(c.target)  # type: ignore[attr-defined]
    out = np.zeros(shape, int)
    for o, y, x in product(*map(range, shape)):
        if isinstance(operation, Pool):
            taps = [(o, i, j, 1) for i, j in product(range(operation.kernel), repeat=2)]
        else:
            filters_per_group = weight.shape[0] // operation.groups
            first = o // filters_per_group * weight.shape[1]
            taps = [(first + k, i, j, weight[o, k, i, j]) for k, i, j in product(*map(range, weight.shape[1:]))]
        for channel, i, j, value in taps:
            row, column = y * operation.stride - operation.padding + i, x * operation.stride - operation.padding + j
            if 0 <= row < source.shape[1] and 0 <= column < source.shape[2]:
                out[o, y, x] += value * source[channel, row, column]
    return out


@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_is_what_it_says(name: str) -> None:
    network = filled(NETWORKS[name]())
    rng = np.random.default_rng(0)
    for connection in network.connections:
        levels = network.levels_of(connection.source)
        source = rng.integers(0, levels, network.shape_of(connection.source))
        fast = reference.apply(network, connection, source[None])[0]
        assert np.array_equal(fast, slow_current(network, source, connection))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_of_networks_spikes(name: str) -> None:
    network = filled(NETWORKS[name]())
    trace = reference.run(network, inputs_for(network, 8))
    for population, spikes in trace.spikes.items():
        assert 0.02 < spikes.mean() < 0.98, population
    assert trace.membranes["readout"].shape[:2] == (network.timesteps, 8)
    assert trace.predictions.shape == (8,)


def test_delayed_spikes_arrive_one_step_later() -> None:
    network = filled(NETWORKS["feedback"]())
    without = replace(
        network,
        connections=tuple(c for c in network.connections if not c.delay),
        weights=tuple(w for w in network.weights if w.name != "back"),
    )
    inputs = inputs_for(network, 8)
    with_feedback, plain = reference.run(network, inputs), reference.run(without, inputs)
    assert np.array_equal(with_feedback.spikes["first"][0], plain.spikes["first"][0])
    assert not np.array_equal(with_feedback.spikes["first"][1:], plain.spikes["first"][1:])


def test_the_shift_drops_bits_of_pixels() -> None:
    network = filled(replace(chain(), input=replace(chain().input, shift=4)))
    inputs = inputs_for(network)
    assert np.array_equal(reference.run(network, inputs).scores, reference.run(network, inputs & 0xF0).scores)
    assert network.levels_of(INPUT) == 16


def broken_floor(membrane: np.ndarray, neuron: Neuron) -> np.ndarray:
    return membrane * neuron.keep >> neuron.keep_shift


def broken_no_leak(membrane: np.ndarray, neuron: Neuron) -> np.ndarray:
    return membrane


@pytest.mark.parametrize("broken", [broken_floor, broken_no_leak])
def test_a_broken_leak_is_noticed(broken: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    network = filled(chain())
    right = reference.run(network, inputs_for(network, 8))
    monkeypatch.setattr(reference, "leak", broken)
    wrong = reference.run(network, inputs_for(network, 8))
    assert any(not np.array_equal(right.membranes[name], wrong.membranes[name]) for name in right.spikes)


@given(st.integers(0, 2**32 - 1))
def test_random_networks_run_and_batches_do_not_matter(seed: int) -> None:
    network = random_network(seed, feedback_edges=seed % 2 == 0)
    inputs = inputs_for(network, 2, seed % 1000)
    both, first = reference.run(network, inputs), reference.run(network, inputs[:1])
    assert all(np.array_equal(both.membranes[name][:, :1], first.membranes[name]) for name in both.membranes)


def test_shapes_alone_cannot_be_run() -> None:
    with pytest.raises(ConfigurationError, match="shapes only"):
        reference.run(chain(), inputs_for(chain()))


def test_inputs_of_another_shape_or_type_are_refused() -> None:
    network = filled(chain())
    for inputs in (np.zeros((1, 2, 6, 7), np.uint8), np.zeros((1, 2, 6, 6), np.float32)):
        with pytest.raises(ConfigurationError, match="the network takes uint8"):
            reference.run(network, inputs)


def test_convolution_is_exact_beyond_float32() -> None:
    values = np.full((1, 600, 5, 5), 255)
    weight = np.full((1, 600, 5, 5), 127, np.int8)
    weight[0, 0, 0, 0] = 126
    assert reference.convolve(values, weight, Conv())[0, 0, 0, 0] == 255 * (127 * 15_000 - 1)
