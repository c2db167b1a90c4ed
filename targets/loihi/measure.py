"""Runs the artifact in Lava's stock fixed-point simulator and reads its sizes back from Lava's compiled executable.

Comes in: the folder that `export` wrote. Goes out: a Trace of all populations and steps, or a Footprint. No silicon is
involved: `simulated` means Lava's process models on this machine's processor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.errors import ParityError
from targets.footprint import Footprint, Venue
from targets.loihi.environment import LAVA
from targets.loihi.estimate import Variable, footprint
from targets.loihi.lava_process import observed
from targets.loihi.observation import Observation, read
from targets.network import Network
from targets.profile import Profile
from targets.reference import Trace, check_inputs
from targets.tool import Tool

TOOLS = {"lava-nc": "0.10.0", "lava-dl": "0.6.0", "simulator": "fixed point, on the CPU, no silicon"}
_START_SECONDS = 120.0
#: Far below the slowest seen (about 10 steps a second), so that only a run that hangs takes longer.
_STEPS_PER_SECOND = 1.0
#: What one run observes and is fed; more samples are run in batches.
_BATCH_BYTES = 256 * 1024**2


def venue(profile: Profile) -> Venue:
    """Everywhere the same: Lava's simulator."""
    return Venue("simulated", profile)


def tools(profile: Profile) -> Sequence[Tool]:
    """For `doctor`: the environment that Lava runs in."""
    return [LAVA.tool()]


def execute(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Trace:
    """Spikes and membrane potentials of every population at every step, of every input: none is left out.

    Raises:
        ToolMissingError: Lava's environment cannot be created.
        LavaRunError: Lava failed on the artifact or hung.
    """
    check_inputs(network, inputs)
    observations = [observe(folder, network, batch) for batch in _batches(network, inputs)]

    def joined(part: str, name: str) -> NDArray[np.int32]:
        return np.concatenate([getattr(observation, part)[name] for observation in observations], axis=1)

    membranes = {p.name: joined("membranes", p.name) for p in network.populations}
    readout = network.readout.name
    membranes[readout] = _whole_units(membranes[readout])
    return Trace(
        spikes={p.name: joined("spikes", p.name).astype(np.uint8) for p in network.populations if p.fires},
        membranes=membranes,
        scores=membranes[readout][-1].reshape(len(inputs), -1),
    )


def observe(folder: Path, network: Network, inputs: NDArray[np.uint8]) -> Observation:
    """One run of Lava: spikes, membrane potentials and currents, in Lava's fixed point (6 fraction bits)."""
    steps = len(inputs) * network.timesteps
    with observed("run", folder, inputs, _START_SECONDS + steps / _STEPS_PER_SECOND) as desk:
        return read(desk, network, len(inputs))


def measure(folder: Path, network: Network, profile: Profile) -> Footprint:
    """Sizes of every variable of the compiled executable, without the simulator's own buffers.

    Raises:
        ToolMissingError: Lava's environment cannot be created.
        LavaRunError: Lava could not compile the artifact.
    """
    shape = (1, network.timesteps, *network.input.shape) if network.input.spiking else (1, *network.input.shape)
    with observed("sizes", folder, np.zeros(shape, np.uint8), _START_SECONDS) as desk:
        rows = json.loads((desk / "sizes.json").read_text(encoding="utf-8"))
    variables = [Variable(row["process"], row["variable"], row["elements"], row["bits"]) for row in rows]
    return footprint(variables, "simulated", TOOLS)


def _batches(network: Network, inputs: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    neurons = sum(population.size for population in network.populations)
    per_sample = network.timesteps * (neurons * 9 + inputs[0].size * 4)
    size = max(1, _BATCH_BYTES // per_sample)
    for start in range(0, len(inputs), size):
        yield inputs[start : start + size]


def _whole_units(potentials: NDArray[np.int32]) -> NDArray[np.int32]:
    """The readout integrates whole units of the network, which Lava keeps 6 bits further left."""
    if np.any(potentials & 63):
        raise ParityError("the readout of the Lava run holds fractions: it has been clipped or has wrapped")
    return np.asarray(potentials >> 6)
