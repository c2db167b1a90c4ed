"""What a score looks at: one architecture, and for scores that look at spikes a batch of real images.

Comes in: an architecture, a profile for the neuron's arithmetic, a Batch. Goes out: its network at the scale of the batch,
and the spikes of that network untrained. torch is imported only when spikes are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset
from stages.snn.architecture import Architecture, lower
from targets.network import Network
from targets.profile import Profile

if TYPE_CHECKING:
    from torch import Tensor

    from stages.scores.probe import Probe

#: Images are averaged down to at most about this many rows and columns before networks are probed with them.
PROBE_PIXELS = 16
#: Images of `Subject.small_rates`.
SMALL_PROBE = 16


@dataclass(frozen=True, eq=False)
class Batch:
    """Images that untrained networks are run on, and the seed of their random weights."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int
    timesteps: int
    seed: int = 0
    spiking: bool = False

    #: Whether networks run as SNASNet's do where they differ from this project's; see `Probe`.
    as_snasnet: bool = False

    #: Spike rates of small networks by architecture; see `Subject.small_rates`.
    known_rates: dict[Architecture, tuple[float, ...]] = field(default_factory=dict)

    @cached_property
    def probe(self) -> Probe:
        """Runs networks on all images of this batch, and remembers what they share."""
        return self._probe(len(self.images))

    @cached_property
    def small_probe(self) -> Probe:
        """Runs networks on the first few images."""
        return self._probe(SMALL_PROBE)

    def _probe(self, samples: int) -> Probe:
        from stages.scores.probe import Probe

        return Probe(
            self.images[:samples],
            timesteps=self.timesteps,
            seed=self.seed,
            spiking=self.spiking,
            as_snasnet=self.as_snasnet,
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns of the images that are really run."""
        channels, rows, columns = self.images.shape[-3:]
        return channels, rows, columns


@dataclass(frozen=True, eq=False)
class Subject:
    """An architecture under a score."""

    architecture: Architecture
    profile: Profile
    batch: Batch

    def network(self, channels: int | None = None) -> Network:
        """The architecture lowered at the scale of the batch, with its own width or a given one."""
        a = self.architecture
        scale = {"input_shape": self.batch.input_shape, "timesteps": self.batch.timesteps}
        return lower(a.model_copy(update={**scale, "channels": channels or a.channels}), self.profile)

    def spikes(self) -> Mapping[str, Tensor]:
        """0/1 floats [T, N, *shape] of every population that fires, in the untrained network."""
        return self.batch.probe.spikes(self.network())

    def small_rates(self, channels: int) -> tuple[float, ...]:
        """Spike rate of every firing population, in order, in an untrained network of this width on the first few images.

        It depends on the cells and not on bits or the architecture's own width, so that it is computed once for all.
        """
        same = self.architecture.model_copy(update={"channels": channels, "weight_bits": 8})
        if same not in self.batch.known_rates:
            spikes = self.batch.small_probe.spikes(self.network(channels))
            self.batch.known_rates[same] = tuple(float(fired.mean()) for fired in spikes.values())
        return self.batch.known_rates[same]


def batch_of(dataset: Dataset, samples: int, *, timesteps: int, seed: int, pixels: int = PROBE_PIXELS) -> Batch:
    """Random training images, as many of each class as of any other, averaged down to about `pixels` rows."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(dataset.train))
    labels = dataset.train.labels[order]
    rank = np.empty(len(order), np.int64)  # how many images of its class come before each image
    for label in range(dataset.classes):
        here = np.flatnonzero(labels == label)
        rank[here] = np.arange(len(here))
    chosen = order[np.argsort(rank, kind="stable")[:samples]]
    images = dataset.train.images[chosen]
    factor = max(1, round(max(images.shape[-2:]) / pixels))
    return Batch(
        shrunk(images, factor, dataset.spiking),
        dataset.train.labels[chosen],
        dataset.classes,
        timesteps,
        seed,
        dataset.spiking,
    )


def shrunk(images: NDArray[np.uint8], factor: int, spiking: bool) -> NDArray[np.uint8]:
    """Windows of factor x factor pixels as one: their mean, or whether any spiked. Incomplete windows are cut off."""
    rows, columns = (size // factor * factor for size in images.shape[-2:])
    windows = images[..., :rows, :columns].reshape(
        *images.shape[:-2], rows // factor, factor, columns // factor, factor
    )
    pooled = windows.max((-3, -1)) if spiking else windows.mean((-3, -1)).round()
    return np.asarray(pooled, np.uint8)
