"""What an observed run of Lava wrote, as arrays by population. Comes in: the run's folder. Goes out: an Observation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import InternalError
from targets.network import Network, Population


@dataclass(frozen=True)
class Observation:
    """By population, int32 [T, N, *shape]: spikes, membrane potentials after the reset, and synaptic currents."""

    spikes: Mapping[str, NDArray[np.int32]]
    membranes: Mapping[str, NDArray[np.int32]]
    currents: Mapping[str, NDArray[np.int32]]


def read(desk: Path, network: Network, samples: int) -> Observation:
    """The steps of each sample out of the stream of all steps that each neuron group recorded.

    Raises:
        InternalError: a recording is missing or of the wrong length, or disagrees with the scores that Lava returned.
    """
    about = json.loads((desk / "about.json").read_text(encoding="utf-8"))
    records = {p.name: _records(desk, about, p, network.timesteps, samples) for p in network.populations}

    def part(field: str) -> dict[str, NDArray[np.int32]]:
        return {p.name: _by_step(records[p.name][field], p) for p in network.populations}

    observation = Observation(part("spikes"), part("membrane"), part("current"))
    last = observation.membranes[network.readout.name][-1].reshape(samples, -1)
    if not np.array_equal(last >> 6, np.load(desk / "scores.npy", allow_pickle=False)):
        raise InternalError("the observed readout is not the one that Lava returned")
    return observation


def _records(desk: Path, about: Mapping[str, Any], population: Population, timesteps: int, samples: int) -> Any:
    """Structured array [samples, T]: what the population held at each step of each sample."""
    fields = [
        ("spikes", "u1", population.size),
        ("membrane", "<i4", population.size),
        ("current", "<i4", population.size),
    ]
    path = desk / about["file"][population.name]
    if not path.exists():
        raise InternalError(f"Lava did not run the population {population.name!r}: nothing connects it to the readout")
    stream = np.fromfile(path, np.dtype(fields))
    rows = about["depth"][population.name] + np.arange(samples * timesteps).reshape(samples, timesteps)
    if rows.max() >= len(stream):
        raise InternalError(f"Lava recorded {len(stream)} steps of {population.name!r}, needed are {rows.max() + 1}")
    return stream[rows]


def _by_step(values: NDArray[Any], population: Population) -> NDArray[np.int32]:
    """[samples, T, neurons in Lava's order (width, height, channels)] as [T, samples, C, H, W]."""
    channels, height, width = population.shape if len(population.shape) == 3 else (prod(population.shape), 1, 1)
    ordered = values.reshape(*values.shape[:2], width, height, channels).transpose(1, 0, 4, 3, 2)
    return np.ascontiguousarray(ordered, np.int32).reshape(*ordered.shape[:2], *population.shape)
