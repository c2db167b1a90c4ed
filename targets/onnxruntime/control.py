"""The two small networks that a measurement needs beside the one measured.

The control is the smallest network there is: what a session costs whatever it holds. Its heap is subtracted from every
figure, measured and estimated alike. The warm-up networks use every operator that a graph can have, so that what the library
sets up once per process (kernels, schemas) is there before anything is counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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


def control() -> Network:
    """One pixel, one synapse, one class, one step."""
    return zeroed(
        Network(
            Input((1, 1, 1)),
            (Population("readout", (1,), READOUT, fires=False),),
            (Connection(INPUT, "readout", Dense(), "head"),),
            (Weight("head", (1, 1), 8),),
            timesteps=1,
        )
    )


def warm_ups() -> Mapping[str, Network]:
    """Networks of two neurons that use every operator between them."""
    return {
        "pixels": _every_operator(Input((1, 2, 2), shift=1)),
        "spikes": _every_operator(Input((1, 2, 2), spiking=True)),
    }


def zeroed(network: Network) -> Network:
    """The network with all integers zero: memory does not depend on values."""
    return network.with_values(
        {weight.name: np.zeros(weight.shape, np.int8) for weight in network.weights},
        {population.name: np.zeros(population.channels, np.int32) for population in network.populations},
        {population.name: np.zeros(population.channels, np.int32) for population in network.populations},
    )


def _every_operator(source: Input) -> Network:
    leaky = Neuron(keep=96, keep_shift=7, state_bits=16, current_bits=8)
    return zeroed(
        Network(
            source,
            (
                Population("first", (1, 2, 2), leaky),
                Population("pooled", (1, 1, 1), leaky),
                Population("late", (1,), leaky),
                Population("readout", (1,), READOUT, fires=False),
            ),
            (
                Connection(INPUT, "first", Conv(padding=1), "stem", multiplier=3),
                Connection("first", "first", Identity(), delay=1),
                Connection("first", "pooled", Pool(2, 2)),
                Connection("pooled", "late", Dense(), "back", delay=1),
                Connection("pooled", "readout", Dense(), "head"),
                Connection("late", "readout", Dense(), "late"),
            ),
            (
                Weight("stem", (1, 1, 3, 3), 8),
                Weight("back", (1, 1), 8),
                Weight("head", (1, 1), 8),
                Weight("late", (1, 1), 8),
            ),
            timesteps=2,
        )
    )
