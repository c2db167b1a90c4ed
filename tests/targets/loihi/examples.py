"""Networks of the shared table and random ones, made to fit Loihi's registers, and what Lava must compute for them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from targets import reference
from targets.errors import ToolMissingError
from targets.loihi.environment import LAVA
from targets.loihi.measure import observe
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
    Shape,
    Weight,
)
from targets.profile import Profile
from tests.networks import filled, random_network


def require_lava() -> None:
    """Skips the test where Lava's environment is absent and cannot be created."""
    try:
        LAVA.interpreter()
    except ToolMissingError as error:
        pytest.skip(str(error.message))


def fitting(network: Network, profile: Profile, seed: int = 0, pixel_shift: int | None = None) -> Network:
    """The network in Loihi's arithmetic: weights narrow enough for their multipliers, one threshold a population."""
    shift = profile.neuron.pixel_shift if pixel_shift is None else pixel_shift
    empty = network.without_values()
    connections = tuple(replace(c, multiplier=min(c.multiplier, 16)) for c in empty.connections)
    widest = {w.name: max(c.multiplier for c in connections if c.weight == w.name) for w in empty.weights}
    narrow = replace(
        empty,
        input=empty.input if empty.input.spiking else replace(empty.input, shift=shift),
        connections=connections,
        populations=tuple(
            replace(p, neuron=replace(profile.neuron.neuron, keep=p.neuron.keep << (12 - p.neuron.keep_shift)))
            if p.fires
            else p
            for p in empty.populations
        ),
        weights=tuple(
            replace(w, bits=width(min(w.bits, 8 - (widest[w.name] - 1).bit_length()), profile)) for w in empty.weights
        ),
    )
    random = filled(narrow, seed)
    return replace(
        random,
        populations=tuple(
            replace(
                p,
                threshold=None if p.threshold is None else np.full_like(p.threshold, min(p.threshold[0], 2**17 - 1)),
                bias=None if p.bias is None else np.clip(p.bias, -2000, 2000).astype(np.int32),
            )
            for p in random.populations
        ),
    )


def width(bits: int, profile: Profile) -> int:
    """The widest weights that the profile takes, of at most so many bits."""
    return max(allowed for allowed in profile.network.weight_bits if allowed <= max(2, bits))


def random_fitting(seed: int, profile: Profile) -> Network:
    """A random network that fits: cells and towers by turns; some see all 8 bits of pixels, so that currents wrap."""
    keep = int(np.random.default_rng(seed).choice([0, 1024, 2048, 3071, 4095, 4096]))
    neuron = replace(profile.neuron.neuron, keep=keep)
    network = random_tower(seed, neuron) if seed % 2 else random_network(seed, neuron=neuron)
    if not profile.neuron.pixels_in_bias:
        return fitting(network, profile, seed, pixel_shift=0 if seed % 3 == 0 else None)
    return fitting(network, profile, seed, pixel_shift=7)


def random_tower(seed: int, neuron: Neuron) -> Network:
    """Strided, depthwise and pooling layers one after another, some with a skip around them, and a dense hidden layer."""
    rng = np.random.default_rng(seed)
    shape: Shape = (int(rng.integers(1, 4)), int(rng.integers(6, 11)), int(rng.integers(6, 11)))
    source, populations, connections, weights = INPUT, [], [], []
    fed = Input(shape)
    for index in range(int(rng.integers(2, 5))):
        name, before, kernel = f"layer{index}", shape, int(rng.choice([1, 3, 5]))
        kind = rng.choice(["conv", "strided", "depthwise", "pool"]) if index else "conv"
        groups = shape[0] if kind == "depthwise" else 1
        channels = shape[0] if kind in ("depthwise", "pool") else int(rng.integers(2, 7))
        stride = 2 if kind == "strided" else 1
        if kind == "pool" and min(shape[1:]) >= 4:
            connections.append(Connection(source, name, Pool(2, 2)))
            shape = (channels, shape[1] // 2, shape[2] // 2)
        else:
            channels, groups = (shape[0], shape[0]) if kind == "pool" else (channels, groups)
            weights.append(Weight(name, (channels, shape[0] // groups, kernel, kernel), int(rng.integers(2, 9))))
            connections.append(Connection(source, name, Conv(stride, kernel // 2, groups), name))
            rows, columns = ((size - 1) // stride + 1 for size in shape[1:])
            shape = (channels, rows, columns)
        if before == shape and index and rng.random() < 0.5:
            connections.append(Connection(source, name, Identity(), multiplier=int(rng.integers(1, 9))))
        if index and fed.shape[1:] == shape[1:] and rng.random() < 0.3:
            weights.append(Weight(f"{name}.skip", (shape[0], fed.shape[0], 1, 1), int(rng.integers(2, 9))))
            connections.append(Connection(INPUT, name, Conv(), f"{name}.skip"))
        populations.append(Population(name, shape, neuron))
        source = name
    if rng.random() < 0.5:
        weights.append(Weight("hidden", (7, prod(shape)), 4))
        connections.append(Connection(source, "hidden", Dense(), "hidden"))
        populations.append(Population("hidden", (7,), neuron))
        source, shape = "hidden", (7,)
    weights.append(Weight("head", (4, prod(shape)), int(rng.integers(2, 9))))
    connections.append(Connection(source, "readout", Dense(), "head"))
    populations.append(Population("readout", (4,), READOUT, fires=False))
    return filled(Network(fed, tuple(populations), tuple(connections), tuple(weights), int(rng.integers(1, 7))), seed)


def currents(
    network: Network, trace: reference.Trace, inputs: NDArray[np.uint8], name: str, graded: bool
) -> NDArray[np.int64]:
    """The current of a population at every step, before it wraps, from the reference's spikes, without the host's share."""
    population = network.population_of[name]
    total = np.zeros((network.timesteps, len(inputs), *population.shape), np.int64)
    for connection in network.into(name):
        if connection.source == INPUT and not graded and not network.input.spiking:
            continue
        for step in range(network.timesteps):
            if connection.source == INPUT:
                values = inputs[:, step] if network.input.spiking else inputs
                source = values.astype(np.int64) >> network.input.shift
            else:
                source = trace.spikes[connection.source][step].astype(np.int64)
            total[step] += connection.multiplier * reference.apply(network, connection, source)
    return total << 6


def differences(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> dict[str, int]:
    """How many spikes, potentials and currents of Lava's run differ from the reference, over all populations and steps."""
    trace, observed = reference.run(network, inputs), observe(folder, network, inputs)
    found = {"spikes": 0, "membranes": 0, "currents": 0}
    for population in network.populations:
        name = population.name
        sums = currents(network, trace, inputs, name, not profile.neuron.pixels_in_bias)
        expected = reference.wrap(sums, profile.neuron.neuron)
        found["currents"] += int((observed.currents[name] != expected).sum())
        shift = 0 if population.fires else 6 - population.neuron.fraction_bits
        found["membranes"] += int((observed.membranes[name] != trace.membranes[name].astype(np.int64) << shift).sum())
        spikes = trace.spikes.get(name, np.zeros_like(observed.spikes[name]))
        found["spikes"] += int((observed.spikes[name] != spikes).sum())
    return found
