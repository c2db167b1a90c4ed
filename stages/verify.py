"""Fifth stage: the exported artifact is what was trained, and needs the memory that was estimated.

Comes in: the network, the folder of its artifact, the profile, the dataset. Goes out: a Verification. The whole test set runs
on the target's runtime and on the golden executor; spikes, membrane potentials, scores and predictions must be equal, because
a wrong rounding can leave accuracy, even spikes, untouched. Then the artifact's memory is measured and compared with the
estimate term by term, and with what the target has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

from stages.activity import most_operations, neurons, pixel_operations, spike_counts, synaptic_operations
from stages.data.dataset import Dataset, Split
from stages.examples import Example, examples_of
from stages.on_hardware import OnHardware, on_hardware, require_equal
from stages.parity import Parity, compare_traces
from stages.progress import Progress
from stages.venue import require, venue_of
from targets.errors import FootprintError, ParityError, VerificationError
from targets.families import family_named
from targets.footprint import Comparison, Footprint, MeasuredBy, Tolerance, Venue, compare
from targets.latency import Instructions, Latency
from targets.network import Network
from targets.network_file import write_atomically
from targets.profile import Profile
from targets.reference import Trace, run
from targets.sizes import ByteSize, format_size
from targets.stored_weight import StoredWeight

_TRACE_BYTES_PER_NEURON = 32
#: File beside the stored result that holds what was timed.
LATENCIES = "latency.json"
_latencies = TypeAdapter(tuple[Latency, ...])


class Record(BaseModel):
    """Frozen, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifyConfig(Record):
    """How the replay is cut into batches, and what is kept of it for the report."""

    #: Memory that the traces of one batch may take; the batch is as large as that allows.
    trace_memory: ByteSize = 128 * 1024**2
    #: Test images of which scores and spikes are kept for the report.
    examples: NonNegativeInt = 6
    #: Where the target's runtime is emulated, so many operations of a dense runtime are run there: whole samples, the first of
    #: the test set, at least one. This machine's own runtime runs the same files on the others. (About a minute a core.)
    emulated_operations: PositiveInt = 4 * 10**9
    #: How the memory must be measured; anything else is an error. None: as this machine can, and said in the report.
    require: MeasuredBy | None = None
    #: Test images of which single inferences are timed.
    timed: PositiveInt = 40

    @classmethod
    def preset(cls, name: Literal["quick", "full"]) -> Self:
        """Both presets verify everything."""
        return cls()

    def emulated_samples(self, network: Network, samples: int) -> int:
        """How many of so many samples a slow emulator runs."""
        return min(samples, max(1, self.emulated_operations // most_operations(network)))

    def batch_size(self, network: Network) -> int:
        """Samples that are compared at once."""
        values = network.timesteps * sum(population.size for population in network.populations)
        return max(1, min(256, self.trace_memory // (values * _TRACE_BYTES_PER_NEURON)))


class Replayed(Record):
    """So many samples of the test set were replayed on a runtime of this kind."""

    obtained: MeasuredBy
    samples: PositiveInt


class TermRow(Record):
    """One term of the footprint, estimated and measured."""

    term: str
    region: str
    estimated_bytes: int
    measured_bytes: int
    #: Terms of one moment ("loading", "running") are live together; "" is live throughout.
    moment: str
    tolerance: Tolerance
    ok: bool


class RegionRow(Record):
    """What a region of memory offers, and what the network takes of it."""

    region: str
    available_bytes: int
    estimated_bytes: int
    measured_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the larger of both figures is available."""
        return max(self.estimated_bytes, self.measured_bytes) <= self.available_bytes


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


class Verification(Record):
    """What was compared and measured, and every way in which it is not as it should be."""

    accuracy: float
    class_names: tuple[str, ...]
    parity: Parity
    #: Where the samples of `parity` ran; together they are the whole test set.
    replayed: tuple[Replayed, ...]
    footprint: tuple[TermRow, ...]
    budget: tuple[RegionRow, ...]
    measured_by: MeasuredBy
    tools: Mapping[str, str]
    activity: Activity
    examples: tuple[Example, ...]
    #: In what the runtime here is not that of the target; "" for nothing.
    shortfall: str = ""
    #: The run on a board, where one is named.
    hardware: OnHardware | None = None
    #: Not part of the stored result, which is the same however fast a machine is: see LATENCIES.
    latencies: tuple[Latency, ...] = Field(default=(), exclude=True)
    instructions: tuple[Instructions, ...] = ()
    weights: tuple[StoredWeight, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every region holds what was estimated and measured."""
        return all(row.fits for row in self.budget)

    @property
    def ok(self) -> bool:
        """Whether nothing differs, every term is within its tolerance, and all of it fits."""
        as_trained = self.parity.holds and (self.hardware is None or self.hardware.holds)
        return as_trained and all(row.ok for row in self.footprint) and self.fits


def verify(
    network: Network, profile: Profile, folder: Path, dataset: Dataset, config: VerifyConfig, progress: Progress
) -> Verification:
    """Replays the test set on the artifact in `folder`, and measures it.

    Raises:
        ParityError: no neuron fires, or the artifact's traces cannot be compared: nothing would be proved.
        FootprintError: estimate and measurement do not have the same terms, or one of them is zero.
        ToolMissingError: it is not measured as `config.require` says.
    """
    family, venue = family_named(profile.family), venue_of(profile, config.require)
    replay, samples = _Replay(network), len(dataset.test)
    emulated = samples if venue.native is None else config.emulated_samples(network, samples)
    for first, golden, actual, part in _batches(network, venue, folder, dataset.test, config, emulated):
        replay.add(first, golden, actual, part)
        progress("replaying the test set on the target's runtime", first + len(part), samples)
    replay.require_spikes()
    progress("measuring memory", 0, 1)
    hardware: OnHardware | None = None
    latencies: tuple[Latency, ...] = ()
    if profile.measure.hardware is None:
        profile = venue.profile
        measured = family.measure(folder, network, profile)
    else:
        hardware, measured, profile, latencies = on_hardware(network, profile, folder, dataset.test)
    require(measured.obtained, config.require, venue)
    progress("measuring memory", 1, 1)
    estimated = family.estimate(network, profile)
    timed = dataset.test.images[: config.timed]
    rows = compare(estimated, measured, profile.tolerance)
    moments = {(term.region, term.name): term.moment for term in estimated.terms}
    return Verification(
        accuracy=replay.correct / len(dataset.test),
        class_names=dataset.class_names,
        parity=replay.parity,
        replayed=_replayed(venue, emulated, samples),
        footprint=tuple(_term_row(row, moments[row.region, row.term]) for row in rows),
        budget=tuple(_region_row(region, profile, estimated, measured) for region in estimated.regions),
        measured_by=measured.obtained,
        tools=dict(sorted(measured.tools.items())),
        activity=replay.activity(),
        examples=tuple(replay.examples[: config.examples]),
        shortfall=f"{venue.shortfall} ({venue.command})" if venue.shortfall else "",
        hardware=hardware,
        latencies=(*latencies, *family.latencies(folder, network, profile, timed)),
        instructions=family.instructions(folder, network, profile, timed),
        weights=family.weights(network, profile),
    )


def write_latencies(verification: Verification, folder: Path) -> None:
    """Keeps what was timed, in a file of its own."""
    write_atomically(folder / LATENCIES, _latencies.dump_json(verification.latencies, indent=1) + b"\n")


def read_latencies(folder: Path) -> tuple[Latency, ...]:
    """What `write_latencies` wrote."""
    return _latencies.validate_json((folder / LATENCIES).read_bytes())


def require_verified(verification: Verification) -> None:
    """Raises:
    ParityError: the artifact does not compute what was trained.
    FootprintError: it does, but its memory is not as estimated or not available.
    """
    if not verification.parity.holds:
        raise _parity_error(verification.parity)
    if verification.hardware is not None:
        require_equal(verification.hardware)
    outside = [row for row in verification.footprint if not row.ok]
    if outside:
        raise FootprintError(
            "measured memory is not as estimated:" + "".join(f"\n  - {_sentence(row)}" for row in outside),
            "the estimator or the exporter of this family has changed; the report shows every term",
        )
    for region in verification.budget:
        if not region.fits:
            raise FootprintError(
                f"{region.region}: measured {format_size(region.measured_bytes)}, "
                f"available {format_size(region.available_bytes)}",
                "the network lies within the tolerance of the limit; search with a smaller --budget",
            )


class _Replay:
    """Adds up the batches."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.parity = Parity()
        self.correct = 0
        self.operations = {population.name: 0 for population in network.populations}
        self.spikes = {p.name: np.zeros(network.timesteps, np.int64) for p in network.populations if p.fires}
        self.examples: list[Example] = []

    def add(self, first: int, golden: Trace, actual: Trace, part: Split) -> None:
        self.parity = self.parity.plus(compare_traces(self.network, golden, actual, first))
        self.correct += int((actual.predictions == part.labels).sum())
        for name, count in synaptic_operations(self.network, golden, part.images).items():
            self.operations[name] += count
        for name, counts in spike_counts(golden).items():
            self.spikes[name] += counts
        if not self.examples:
            self.examples = examples_of(self.network, actual, part)

    def require_spikes(self) -> None:
        if self.parity.spikes_fired == 0:
            raise ParityError(
                "no neuron fires on the whole test set, so that comparing spikes proves nothing",
                "train longer, or lower the thresholds",
            )

    def activity(self) -> Activity:
        samples, steps = self.parity.samples, self.network.timesteps
        size = {population.name: population.size for population in self.network.populations}
        rates = {name: tuple(float(n) / (samples * size[name]) for n in counts) for name, counts in self.spikes.items()}
        return Activity(
            spike_rate=self.parity.spikes_fired / (samples * steps * neurons(self.network)),
            synaptic_operations=sum(self.operations.values()) / samples,
            operations={name: count / samples for name, count in self.operations.items()},
            pixel_operations=pixel_operations(self.network) * steps,
            timesteps=steps,
            rates=rates,
        )


def _batches(
    network: Network, venue: Venue, folder: Path, test: Split, config: VerifyConfig, emulated: int
) -> Iterator[tuple[int, Trace, Trace, Split]]:
    """The golden and the actual trace of each batch: the first samples in the venue itself, the others natively."""
    family, size = family_named(venue.profile.family), config.batch_size(network)
    for begin, end, profile in ((0, emulated, venue.profile), (emulated, len(test), venue.native or venue.profile)):
        for first in range(begin, end, size):
            last = min(first + size, end)
            part = Split(test.images[first:last], test.labels[first:last])
            yield first, run(network, part.images), family.execute(folder, network, profile, part.images), part


def _replayed(venue: Venue, emulated: int, samples: int) -> tuple[Replayed, ...]:
    natively = (Replayed(obtained="runtime", samples=samples - emulated),) if emulated < samples else ()
    return (Replayed(obtained=venue.obtained, samples=emulated), *natively)


def _term_row(row: Comparison, moment: str) -> TermRow:
    return TermRow(
        term=row.term,
        region=row.region,
        estimated_bytes=row.estimated_bytes,
        measured_bytes=row.measured_bytes,
        moment=moment,
        tolerance=row.tolerance,
        ok=row.ok,
    )


def _region_row(region: str, profile: Profile, estimated: Footprint, measured: Footprint) -> RegionRow:
    return RegionRow(
        region=region,
        available_bytes=profile.memory[region].available_bytes,
        estimated_bytes=estimated.region_bytes(region),
        measured_bytes=measured.region_bytes(region),
    )


def _sentence(row: TermRow) -> str:
    difference = row.estimated_bytes - row.measured_bytes
    return (
        f"{row.term} in {row.region}: estimated {row.estimated_bytes:,} B, measured {row.measured_bytes:,} B "
        f"({difference:+,} B, {difference / row.measured_bytes:+.2%})"
    )


def _parity_error(parity: Parity) -> VerificationError:
    return ParityError(
        f"the artifact differs from the trained network in {parity.spikes_differing:,} of {parity.spikes_compared:,} spikes, "
        f"{parity.membranes_differing:,} of {parity.membranes_compared:,} membrane potentials and "
        f"{parity.predictions_differing:,} of {parity.samples:,} predictions",
        f"first: {parity.first_difference}",
    )
