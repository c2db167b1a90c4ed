"""Fifth stage: the exported artifact is what was trained, and needs the memory that was estimated.

Comes in: the network, the folder of its artifact, the profile, the dataset. Goes out: a Verification. The whole test set runs
on the target's runtime and on the golden executor; spikes, membrane potentials, scores and predictions must be equal, because
a wrong rounding can leave accuracy, even spikes, untouched. Then the artifact's memory is measured and compared with the
estimate term by term, and with what the target has. The parts lie in `stages.verifying`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.record import Record
from stages.verifying.activity import most_operations
from stages.verifying.examples import Example
from stages.verifying.memory import (
    RegionRow,
    TermRow,
    region_rows,
    require_as_estimated,
    require_available,
    term_rows,
)
from stages.verifying.on_hardware import OnHardware, on_hardware, require_equal
from stages.verifying.parity import Parity, require_parity
from stages.verifying.replay import Activity, Replayed, replay
from stages.verifying.venue import require, venue_of
from targets.families import family_named
from targets.footprint import MeasuredBy
from targets.latency import Instructions, Latency
from targets.network import Network
from targets.network_file import write_atomically
from targets.profile import Profile
from targets.sizes import ByteSize
from targets.stored_weight import StoredWeight

_TRACE_BYTES_PER_NEURON = 32
#: File beside the stored result that holds what was timed.
LATENCIES = "latency.json"
_latencies = TypeAdapter(tuple[Latency, ...])


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
    samples = len(dataset.test)
    emulated = samples if venue.native is None else config.emulated_samples(network, samples)
    found = replay(network, venue, folder, dataset.test, config.batch_size(network), emulated, progress)
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
    return Verification(
        accuracy=found.correct / samples,
        class_names=dataset.class_names,
        parity=found.parity,
        replayed=found.replayed,
        footprint=term_rows(estimated, measured, profile),
        budget=region_rows(estimated, measured, profile),
        measured_by=measured.obtained,
        tools=dict(sorted(measured.tools.items())),
        activity=found.activity(),
        examples=tuple(found.examples[: config.examples]),
        shortfall=f"{venue.shortfall} ({venue.command})" if venue.shortfall else "",
        hardware=hardware,
        latencies=(*latencies, *family.latencies(folder, network, profile, timed)),
        instructions=family.instructions(folder, network, profile, timed),
        weights=family.weights(network, profile),
    )


def require_verified(verification: Verification) -> None:
    """Raises:
    ParityError: the artifact does not compute what was trained.
    FootprintError: it does, but its memory is not as estimated or not available.
    """
    require_parity(verification.parity)
    if verification.hardware is not None:
        require_equal(verification.hardware)
    require_as_estimated(verification.footprint)
    require_available(verification.budget)


def write_latencies(verification: Verification, folder: Path) -> None:
    """Keeps what was timed, in a file of its own."""
    write_atomically(folder / LATENCIES, _latencies.dump_json(verification.latencies, indent=1) + b"\n")


def read_latencies(folder: Path) -> tuple[Latency, ...]:
    """What `write_latencies` wrote."""
    return _latencies.validate_json((folder / LATENCIES).read_bytes())
