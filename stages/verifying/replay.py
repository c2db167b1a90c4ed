"""The whole test set on the target's runtime and on the golden executor, batch by batch.

Comes in: the network, its artifact, the test samples, and how many of them run where the venue itself is (a slow emulator may
leave the rest to this machine's own runtime). Goes out: a Replay, which adds up what was compared, how many predictions were
right, and how busy the network was.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from stages.data.dataset import Split
from stages.progress import Progress
from stages.record import Record
from stages.verifying.activity import neurons, pixel_operations, spike_counts, synaptic_operations
from stages.verifying.examples import Example, examples_of
from stages.verifying.parity import Parity, compare_traces
from targets.errors import ParityError
from targets.families import family_named
from targets.footprint import MeasuredBy, Venue
from targets.network import Network
from targets.profile import Profile
from targets.reference import Trace, run


class Replayed(Record):
    """The samples of the test set that were replayed on a runtime of one kind, and what was compared there."""

    obtained: MeasuredBy
    samples: PositiveInt
    spikes_compared: NonNegativeInt = 0
    spikes_differing: NonNegativeInt = 0
    membranes_compared: NonNegativeInt = 0
    membranes_differing: NonNegativeInt = 0
    predictions_differing: NonNegativeInt = 0


class Activity(Record):
    """How busy the network is on the test set."""

    #: Spikes per neuron and step.
    spike_rate: float
    #: Additions caused by spikes, per sample.
    synaptic_operations: float
    #: The same by the population that they arrive in.
    operations: Mapping[str, float]
    #: Multiplications by pixels, per sample.
    pixel_operations: int
    timesteps: PositiveInt
    #: Spikes per neuron at each step, by population.
    rates: Mapping[str, tuple[float, ...]]


class Replay:
    """Adds up the batches."""

    def __init__(self, network: Network) -> None:
        self.network = network
        #: By the kind of runtime, in the order of the samples.
        self.parts: dict[MeasuredBy, Parity] = {}
        self.correct = 0
        self.examples: list[Example] = []
        self._operations = {population.name: 0 for population in network.populations}
        self._spikes = {p.name: np.zeros(network.timesteps, np.int64) for p in network.populations if p.fires}

    @property
    def parity(self) -> Parity:
        """The counts over all samples so far."""
        return functools.reduce(Parity.plus, self.parts.values(), Parity())

    @property
    def replayed(self) -> tuple[Replayed, ...]:
        """The counts by where the samples ran."""
        counts = Replayed.model_fields.keys() - {"obtained"}
        return tuple(Replayed(obtained=kind, **found.model_dump(include=counts)) for kind, found in self.parts.items())

    def add(self, obtained: MeasuredBy, first: int, golden: Trace, actual: Trace, part: Split) -> None:
        """Compares one batch, whose first sample has the index `first` in the whole set."""
        found = compare_traces(self.network, golden, actual, first)
        self.parts[obtained] = self.parts.get(obtained, Parity()).plus(found)
        self.correct += int((actual.predictions == part.labels).sum())
        for name, count in synaptic_operations(self.network, golden, part.images).items():
            self._operations[name] += count
        for name, counts in spike_counts(golden).items():
            self._spikes[name] += counts
        if not self.examples:
            self.examples = examples_of(self.network, actual, part)

    def require_spikes(self) -> None:
        """Raises:
        ParityError: no neuron fires on any sample: nothing would be proved.
        """
        if self.parity.spikes_fired == 0:
            raise ParityError(
                "no neuron fires on the whole test set, so that comparing spikes proves nothing",
                "train longer, or lower the thresholds",
            )

    def activity(self) -> Activity:
        """Rates and operations over all samples so far."""
        parity, steps = self.parity, self.network.timesteps
        samples = parity.samples
        size = {population.name: population.size for population in self.network.populations}
        rates = {
            name: tuple(float(n) / (samples * size[name]) for n in counts) for name, counts in self._spikes.items()
        }
        return Activity(
            spike_rate=parity.spikes_fired / (samples * steps * neurons(self.network)),
            synaptic_operations=sum(self._operations.values()) / samples,
            operations={name: count / samples for name, count in self._operations.items()},
            pixel_operations=pixel_operations(self.network) * steps,
            timesteps=steps,
            rates=rates,
        )


def replay(
    network: Network, venue: Venue, folder: Path, test: Split, size: int, emulated: int, progress: Progress
) -> Replay:
    """Runs and compares all samples, `size` at once; the first `emulated` in the venue itself, the others natively.

    Raises:
        ParityError: no neuron fires, or the artifact's traces cannot be compared.
    """
    result = Replay(network)
    for obtained, first, golden, actual, part in _batches(network, venue, folder, test, size, emulated):
        result.add(obtained, first, golden, actual, part)
        progress("replaying the test set on the target's runtime", first + len(part), len(test))
    result.require_spikes()
    return result


def _batches(
    network: Network, venue: Venue, folder: Path, test: Split, size: int, emulated: int
) -> Iterator[tuple[MeasuredBy, int, Trace, Trace, Split]]:
    """The golden and the actual trace of each batch, and on what kind of runtime it ran."""
    family = family_named(venue.profile.family)
    here: tuple[MeasuredBy, int, int, Profile] = (venue.obtained, 0, emulated, venue.profile)
    natively: tuple[MeasuredBy, int, int, Profile] = ("runtime", emulated, len(test), venue.native or venue.profile)
    for obtained, begin, end, profile in (here, natively):
        for first in range(begin, end, size):
            last = min(first + size, end)
            part = Split(test.images[first:last], test.labels[first:last])
            actual = family.execute(folder, network, profile, part.images)
            yield obtained, first, run(network, part.images), actual, part
