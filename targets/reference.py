"""The golden executor: the integer network in NumPy, the truth that training and every exporter are compared with.

Goes in: a network with values and uint8 inputs. Comes out: spikes and membrane potentials of every population at every
step. It is written for being obviously right. All values are whole numbers below 2**53, so that sums of products may run
in float64 (where they are exact) through BLAS; everything else is int64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError
from targets.network import INPUT, Connection, Conv, Dense, Network, Neuron, Pool, Population

Values = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """Membrane potentials and the spikes of the last step, by population: int64 [N, *shape]."""

    membranes: Mapping[str, Values]
    spikes: Mapping[str, Values]


@dataclass(frozen=True)
class Trace:
    """Everything that can be compared after a run of T steps over N samples, by population."""

    #: uint8 [T, N, *shape]; the readout is absent, it does not fire.
    spikes: Mapping[str, NDArray[np.uint8]]
    #: int32 [T, N, *shape], after the reset.
    membranes: Mapping[str, NDArray[np.int32]]
    #: int32 [N, classes]: the readout's membrane potentials after the last step.
    scores: NDArray[np.int32]

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class of the highest score per sample; the lowest index wins a tie."""
        return np.asarray(self.scores.argmax(axis=1))

    @property
    def spike_rate(self) -> float:
        """Spikes per neuron and step, over all populations that fire."""
        total = sum(spikes.size for spikes in self.spikes.values())
        return float(sum(int(spikes.sum()) for spikes in self.spikes.values()) / total)


def initial_state(network: Network, samples: int) -> State:
    """All membrane potentials and spikes zero."""
    zeros = {p.name: np.zeros((samples, *p.shape), np.int64) for p in network.populations}
    return State(zeros, zeros)


def step(network: Network, state: State, values: NDArray[np.integer]) -> State:
    """One time step: `values` is the input [N, *shape] as uint8 pixels or 0/1 spikes."""
    membranes: dict[str, Values] = {}
    spikes: dict[str, Values] = {INPUT: values.astype(np.int64) >> network.input.shift}
    for population in network.populations:
        current = np.zeros((len(values), *population.shape), np.int64)
        for connection in network.into(population.name):
            source = state.spikes if connection.delay else spikes
            current += connection.multiplier * apply(network, connection, source[connection.source])
        membranes[population.name], spikes[population.name] = integrate(
            population, state.membranes[population.name], current
        )
    return State(membranes, {name: fired for name, fired in spikes.items() if name != INPUT})


def steps(network: Network, inputs: NDArray[np.uint8]) -> Iterator[State]:
    """The states after each step. `inputs` is [N, *shape] pixels, or [N, T, *shape] 0/1 spikes for a spiking input."""
    check_inputs(network, inputs)
    state = initial_state(network, len(inputs))
    for index in range(network.timesteps):
        state = step(network, state, inputs[:, index] if network.input.spiking else inputs)
        yield state


def run(network: Network, inputs: NDArray[np.uint8]) -> Trace:
    """All steps over all samples at once; memory grows with samples times neurons, so feed large sets in batches.

    Raises:
        ConfigurationError: the network has no values, or the inputs do not have its shape.
    """
    states = list(steps(network, inputs))
    firing = [population.name for population in network.populations if population.fires]
    membranes = {
        population.name: np.stack([state.membranes[population.name] for state in states]).astype(np.int32)
        for population in network.populations
    }
    return Trace(
        spikes={name: np.stack([state.spikes[name] for state in states]).astype(np.uint8) for name in firing},
        membranes=membranes,
        scores=membranes[network.readout.name][-1].reshape(len(inputs), -1),
    )


def check_inputs(network: Network, inputs: NDArray[np.uint8]) -> None:
    """Refuses inputs that the network does not take, for every executor alike."""
    if not network.has_values:
        raise ConfigurationError("this integer network has shapes only and cannot be run", "train it first")
    expected = (network.timesteps, *network.input.shape) if network.input.spiking else network.input.shape
    if inputs.dtype != np.uint8 or inputs.shape[1:] != expected:
        raise ConfigurationError(
            f"inputs are {inputs.dtype} {inputs.shape[1:]} per sample, the network takes uint8 {expected}"
        )


def integrate(population: Population, membrane: Values, current: Values) -> tuple[Values, Values]:
    """Membrane potential after the reset, and spikes, of one step (the equation of `targets.network`)."""
    neuron = population.neuron
    per_channel = (-1, *(1,) * (len(population.shape) - 1))
    current = wrap(current << neuron.fraction_bits, neuron)
    if population.bias is not None:
        current = current + (population.bias.astype(np.int64).reshape(per_channel) << neuron.fraction_bits)
    potential = np.clip(leak(membrane, neuron) + current, -neuron.limit, neuron.limit)
    if population.threshold is None:
        return potential, np.zeros_like(potential)
    fired = potential > (population.threshold.astype(np.int64).reshape(per_channel) << neuron.fraction_bits)
    return np.where(fired, 0, potential), fired.astype(np.int64)


def leak(membrane: Values, neuron: Neuron) -> Values:
    """v * keep / 2**keep_shift, rounded toward zero."""
    product = membrane * neuron.keep
    return np.asarray(np.sign(product) * (np.abs(product) >> neuron.keep_shift))


def wrap(current: Values, neuron: Neuron) -> Values:
    """The current as a register of current_bits holds it: two's complement, except that the lowest value wraps too."""
    if neuron.current_bits is None:
        return current
    half, full = 2 ** (neuron.current_bits - 1), 2**neuron.current_bits
    return np.where(current > half, current - full, np.where(current <= -half, current + full, current))


def apply(network: Network, connection: Connection, values: Values) -> Values:
    """The operation of a connection on source values [N, *shape], without its multiplier."""
    operation = connection.operation
    if isinstance(operation, Pool):
        windows = _windows(values, operation.kernel, operation.kernel, operation.stride, operation.padding)
        return np.asarray(windows.sum((4, 5)))
    if connection.weight is None:
        return values
    weight = network.weight_of[connection.weight].values
    if weight is None:
        raise ConfigurationError(f"weight {connection.weight!r} has no values")
    if isinstance(operation, Dense):
        return _matmul(values.reshape(len(values), -1), weight.T)
    return convolve(values, weight, operation) if isinstance(operation, Conv) else values


def convolve(values: Values, weight: NDArray[np.int8], conv: Conv) -> Values:
    """Grouped convolution of [N, C, H, W] with [out, C / groups, kh, kw], as one matrix product per group."""
    samples = len(values)
    out, inner, height, width = weight.shape
    windows = _windows(values, height, width, conv.stride, conv.padding)
    rows, columns = windows.shape[2:4]
    result = np.empty((samples, rows, columns, out), np.int64)
    for group in range(conv.groups):
        channels = slice(group * inner, (group + 1) * inner)
        filters = slice(group * out // conv.groups, (group + 1) * out // conv.groups)
        patches = windows[:, channels].transpose(0, 2, 3, 1, 4, 5).reshape(samples * rows * columns, -1)
        product = _matmul(patches, weight[filters].reshape(out // conv.groups, -1).T)
        result[..., filters] = product.reshape(samples, rows, columns, -1)
    return result.transpose(0, 3, 1, 2)


def _windows(values: Values, height: int, width: int, stride: int, padding: int) -> Values:
    padded = np.pad(values, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    return windows[:, :, ::stride, ::stride]


def _matmul(left: NDArray[np.integer], right: NDArray[np.integer]) -> Values:
    """Exact product of whole numbers through float64 BLAS."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
