"""The network whose instructions and bytes are compared with other ways of running it: random weights, tuned spike rates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from targets.network import INPUT, READOUT, Connection, Conv, Dense, Input, Network, Neuron, Pool, Population, Weight
from targets.reference import run

_LARGEST_THRESHOLD = 30_000


def image_network(bits: int, rate: float) -> tuple[Network, NDArray[np.uint8]]:
    """Two convolutions with pools behind them and a dense readout, on frames of spikes; and one input.

    Inputs and the spikes behind both pools have the given rate, which thresholds bring about.
    """
    rng = np.random.default_rng(1)
    empty = _empty(bits)
    scale, half = {8: 1, 4: 10, 2: 40}[bits], 2 ** (bits - 1)
    weights = {w.name: np.clip(rng.integers(-60, 90, w.shape) // scale, -half, half - 1) for w in empty.weights}
    biases = {p.name: rng.integers(-20, 20, p.channels) // scale for p in empty.populations}
    for silent in ("pool1", "pool2", "readout"):
        biases[silent] = np.zeros_like(biases[silent])
    inputs = (rng.random((1, empty.timesteps, *empty.input.shape)) < rate).astype(np.uint8)

    def filled(first: int, second: int) -> Network:
        values = {"conv1": first, "conv2": second, "pool1": 0, "pool2": 0, "readout": 0}
        thresholds = {p.name: np.full(p.channels, values[p.name]) for p in empty.populations}
        return empty.with_values(weights, thresholds, biases)

    def spikes(network: Network, name: str) -> float:
        return float(run(network, inputs).spikes[name].mean())

    first = _lowest(lambda threshold: spikes(filled(threshold, _LARGEST_THRESHOLD), "pool1") <= rate)
    second = _lowest(lambda threshold: spikes(filled(first, threshold), "pool2") <= rate)
    return filled(first, second), inputs


def _empty(bits: int) -> Network:
    pool = Neuron(keep=0)
    return Network(
        Input((2, 16, 16), spiking=True),
        (
            Population("conv1", (16, 16, 16)),
            Population("pool1", (16, 8, 8), pool),
            Population("conv2", (32, 8, 8)),
            Population("pool2", (32, 4, 4), pool),
            Population("readout", (10,), READOUT, fires=False),
        ),
        (
            Connection(INPUT, "conv1", Conv(padding=1), "first"),
            Connection("conv1", "pool1", Pool(2, 2)),
            Connection("pool1", "conv2", Conv(padding=1), "second"),
            Connection("conv2", "pool2", Pool(2, 2)),
            Connection("pool2", "readout", Dense(), "head"),
        ),
        (
            Weight("first", (16, 2, 3, 3), bits),
            Weight("second", (32, 16, 3, 3), bits),
            Weight("head", (10, 512), bits),
        ),
        timesteps=4,
    )


def _lowest(enough: Callable[[int], bool]) -> int:
    """The lowest threshold that is enough, by bisection."""
    low, high = 0, _LARGEST_THRESHOLD
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
