"""`report.json`: what CI and users read of a run. Fields are added freely, never renamed.

Comes in: the results of the five stages. Goes out: one Report that holds everything `report.html` shows, so that the page can be
drawn again from this file alone. Nothing in it depends on when or how often the run was interrupted, but `seconds` and `latency`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from stages.analyze import Analysis
from stages.record import Record
from stages.searching.pareto import ParetoPoint
from stages.snn.architecture import Architecture
from stages.verifying.examples import Example
from stages.verifying.memory import TermRow
from stages.verifying.on_hardware import OnHardware
from stages.verifying.parity import Difference
from stages.verifying.replay import Activity, Replayed
from targets.footprint import MeasuredBy
from targets.latency import Instructions, Latency
from targets.network import Neuron
from targets.stored_weight import StoredWeight

Fraction = Annotated[float, Field(ge=0, le=1)]


class Accuracy(Record):
    """Fractions of the test set that are classified correctly."""

    #: The same architecture trained with real-valued weights.
    float: Fraction
    #: Trained in the target's integer arithmetic, run by PyTorch.
    quantized: Fraction
    #: The exported artifact on the target's runtime.
    exported: Fraction


class ParityCounts(Record):
    """How often two executors differ over the whole test set; `*_differing` adds up both comparisons."""

    samples: NonNegativeInt
    steps: NonNegativeInt
    spikes_compared: NonNegativeInt
    spikes_differing: NonNegativeInt
    membranes_compared: NonNegativeInt
    membranes_differing: NonNegativeInt
    predictions_differing: NonNegativeInt
    first_difference: Difference | None
    #: Which executors were compared, in words.
    compared: tuple[str, ...]
    #: Samples of the other comparison, PyTorch against the reference; its spikes are those that `replayed` does not have.
    samples_in_training: NonNegativeInt = 0
    #: Where the samples of the exported artifact ran, emulated, simulated or on this machine's own runtime, and what was
    #: compared there; together they are the whole test set.
    replayed: tuple[Replayed, ...] = ()


class Budget(Record):
    """One region of the target's memory."""

    region: str
    available_bytes: int
    estimated_bytes: int
    measured_bytes: int


class Search(Record):
    """How the architecture was found."""

    candidates_considered: NonNegativeInt
    candidates_over_budget: NonNegativeInt
    candidates_scored: NonNegativeInt
    seconds: NonNegativeFloat
    architecture: Architecture
    score: float
    score_name: str
    #: memory, score or compute: what keeps the architecture from being wider, and a sentence that says so.
    stopped_by: str
    stopped_because: str
    pareto: tuple[ParetoPoint, ...]
    #: Estimated bytes in the region of the Pareto front, and score, of candidates that were scored.
    candidates: tuple[tuple[int, float], ...]


class DrawnPopulation(Record):
    """One population of the network, as it is drawn."""

    name: str
    shape: tuple[int, ...]
    neurons: int
    state_bits: int
    fires: bool


class DrawnConnection(Record):
    """One connection of the network, as it is drawn."""

    source: str
    target: str
    operation: str
    weight: str | None
    parameters: int
    bits: int | None
    delay: int
    #: Whether an earlier connection already carries these weights.
    shared: bool


class DrawnNetwork(Record):
    """The integer network without its values."""

    input_shape: tuple[int, ...]
    timesteps: int
    parameters: int
    populations: tuple[DrawnPopulation, ...]
    connections: tuple[DrawnConnection, ...]


class Epoch(Record):
    """One epoch of training; epoch 0 is the network as the phase found it."""

    phase: str
    epoch: int
    #: None for epoch 0.
    train_loss: float | None
    validation_loss: float
    validation_accuracy: float


class StageRun(Record):
    """A stage's own provenance."""

    stage: str
    seconds: NonNegativeFloat
    #: Hash of everything that decided its result.
    key: str


class Report(Record):
    """Everything about one run."""

    format: Literal[1] = 1
    target: str
    target_summary: str
    family: str
    dataset: str
    dataset_summary: str
    #: SHA-256 over the dataset's files.
    dataset_fingerprint: str
    class_names: tuple[str, ...]
    seed: int
    preset: str
    #: Gives this run again.
    command: str
    versions: Mapping[str, str]
    #: Whether everything fits, estimated and measured.
    fits: bool
    #: Whether it fits, nothing differs, and every term is within its tolerance.
    ok: bool
    measured_by: MeasuredBy
    measured_with: Mapping[str, str]
    #: In what the runtime that measured is not that of the target, and what mends it; "" for nothing.
    shortfall: str = ""
    accuracy: Accuracy
    parity: ParityCounts
    footprint: tuple[TermRow, ...]
    budget: tuple[Budget, ...]
    search: Search
    activity: Activity
    analysis: Analysis
    network: DrawnNetwork
    #: Arithmetic of every firing population.
    neuron: Neuron
    training: tuple[Epoch, ...]
    #: Epoch of the quantized training whose weights were kept.
    best_epoch: int
    examples: tuple[Example, ...]
    artifacts: Mapping[str, str]
    #: SHA-256 of each artifact.
    artifact_hashes: Mapping[str, str]
    #: What one does with the artifact.
    how_to_run: str
    #: The run on a board, where one is named.
    hardware: OnHardware | None = None
    #: How long one inference takes, natively and on a board; nothing is timed in an emulator.
    latency: tuple[Latency, ...] = ()
    #: Instructions of one inference in an emulator.
    instructions: tuple[Instructions, ...] = ()
    #: Bits that the weights have, take, and are computed with.
    weights: tuple[StoredWeight, ...] = ()
    stages: tuple[StageRun, ...]
    seconds: NonNegativeFloat
