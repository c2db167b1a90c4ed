"""The artifact on a real board: what it measured there, and whether it computed the same.

Comes in: the artifact, a profile that names a board, the test set. Goes out: an OnHardware for the report, the footprint and the
profile that it was measured for. Only a stated number of test images goes to the board; the whole test set is replayed
without it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from stages.data.dataset import Split
from stages.verifying.parity import compare_traces
from targets.errors import ParityError
from targets.footprint import Footprint, MeasuredBy
from targets.hardware.observe import observe
from targets.latency import Latency
from targets.network import Network
from targets.profile import Profile
from targets.reference import run


class OnHardware(BaseModel):
    """One run on a board."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What the board calls itself, or is declared to be.
    board: str
    #: How it was reached.
    transport: str
    #: `hardware` for a board; `runtime` where a machine that does not say that it is one ran the bundle.
    obtained: MeasuredBy
    samples: PositiveInt
    scores_differing: NonNegativeInt
    predictions_differing: NonNegativeInt
    #: 0 where the board returns scores only.
    spikes_compared: NonNegativeInt
    spikes_differing: NonNegativeInt
    membranes_differing: NonNegativeInt

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not (self.scores_differing or self.spikes_differing or self.membranes_differing)


def on_hardware(
    network: Network, profile: Profile, folder: Path, test: Split
) -> tuple[OnHardware, Footprint, Profile, tuple[Latency, ...]]:
    """Runs the first test images on the board; what was found, measured, with which profile, and how long it took.

    Raises:
        HardwareError: the board cannot be reached, or what came back cannot be used.
        ParityError: the traces that came back cannot be compared.
    """
    way = profile.measure.hardware
    if way is None:
        raise ParityError("no board is named", "give --hardware")
    part = test.first(way.samples)
    observed, golden = observe(folder, network, profile, part.images), run(network, part.images)
    parity = None if observed.trace is None else compare_traces(network, golden, observed.trace)
    found = OnHardware(
        board=observed.board,
        transport=f"{way.transport} {way.address}",
        obtained=observed.footprint.obtained,
        samples=len(part),
        scores_differing=int((observed.scores != golden.scores).sum()),
        predictions_differing=int((observed.scores.argmax(axis=1) != golden.predictions).sum()),
        spikes_compared=parity.spikes_compared if parity else 0,
        spikes_differing=parity.spikes_differing if parity else 0,
        membranes_differing=parity.membranes_differing if parity else 0,
    )
    return found, observed.footprint, observed.profile, observed.latencies


def require_equal(found: OnHardware) -> None:
    """Raises:
    ParityError: the board does not compute what was trained.
    """
    if not found.holds:
        raise ParityError(
            f"{found.board} differs from the trained network in {found.scores_differing:,} scores, "
            f"{found.spikes_differing:,} of {found.spikes_compared:,} spikes and {found.membranes_differing:,} membrane "
            f"potentials, over {found.samples:,} samples",
            "is what was flashed or copied this export?",
        )
