"""A few test samples with everything the network did on them, so that a person can look at a run.

Comes in: the trace of one batch. Goes out: samples of different classes, and a wrong one if there is any, each with its image,
the readout's membrane potentials step by step and the spikes of every population as packed bits.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from stages.data.dataset import Split
from targets.network import Network
from targets.reference import Trace

_MOST_RASTER_BITS = 1 << 18


class Example(BaseModel):
    """One sample."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: NonNegativeInt
    prediction: NonNegativeInt
    #: Pixels [C, H, W], flattened; the mean over steps of event frames, scaled to 255.
    image: tuple[int, ...]
    image_shape: tuple[int, int, int]
    #: Membrane potentials of the readout: [T][classes].
    scores: tuple[tuple[int, ...], ...]
    #: Spikes [T, neurons] of each population, most significant bit first, in base64. Empty for very large networks.
    spikes: Mapping[str, str]

    def raster(self, population: str, timesteps: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """Spikes of a population as 0/1 [T, neurons], padded to a multiple of eight bits per step."""
        packed = np.frombuffer(base64.b64decode(self.spikes[population]), np.uint8)
        return np.unpackbits(packed).reshape(timesteps, -1)


def examples_of(network: Network, trace: Trace, part: Split) -> list[Example]:
    """One example of each class, a misclassified sample first if the batch has one."""
    wrong = np.flatnonzero(trace.predictions != part.labels)[:1]
    firsts = np.unique(part.labels, return_index=True)[1]
    chosen = dict.fromkeys([*wrong.tolist(), *firsts.tolist()])
    return [_example(network, trace, part, index) for index in chosen]


def _example(network: Network, trace: Trace, part: Split, index: int) -> Example:
    image = part.images[index]
    if network.input.spiking:
        image = np.rint(image.mean(0) * 255).astype(np.uint8)
    readout = trace.membranes[network.readout.name][:, index].reshape(network.timesteps, -1)
    small = network.timesteps * sum(population.size for population in network.populations) <= _MOST_RASTER_BITS
    channels, rows, columns = image.shape if image.ndim == 3 else (1, 1, image.size)
    return Example(
        label=int(part.labels[index]),
        prediction=int(trace.predictions[index]),
        image=tuple(int(pixel) for pixel in image.reshape(-1)),
        image_shape=(channels, rows, columns),
        scores=tuple(tuple(int(score) for score in step) for step in readout),
        spikes={name: _packed(spikes[:, index]) for name, spikes in trace.spikes.items()} if small else {},
    )


def _packed(spikes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    bits = np.packbits(spikes.reshape(len(spikes), -1), axis=1)
    return base64.b64encode(bits.tobytes()).decode()
