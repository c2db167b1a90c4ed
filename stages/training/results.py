"""What training leaves as plain figures, readable without torch: the quantize stage stores them, reports show them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Epoch(Result):
    """One point of a learning curve; epoch 0 is the network as the phase found it."""

    phase: str
    epoch: int
    #: Mean cross-entropy of the epoch's steps; None for epoch 0.
    train_loss: float | None
    #: Mean over the epoch's steps of the norm of the gradient of all parameters; None for epoch 0.
    gradient_norm: float | None
    validation_loss: float
    validation_accuracy: float
    #: Spikes per neuron and step by population, on the validation split.
    spike_rate: dict[str, float]

    @property
    def dead(self) -> tuple[str, ...]:
        """Populations that never fired."""
        return tuple(name for name, rate in self.spike_rate.items() if rate == 0)

    @property
    def merit(self) -> tuple[float, float]:
        """What the best epoch has most of: accuracy, then the least loss."""
        return self.validation_accuracy, -self.validation_loss


class Incident(Result):
    """Something that went wrong in a training, and what was done about it."""

    phase: str
    epoch: int
    #: "diverged" or "dead".
    kind: str
    #: The parameter or the population.
    where: str
    what: str


def best(curve: Sequence[Epoch]) -> Epoch:
    """The best epoch; the earliest of equals."""
    return max(curve, key=lambda point: point.merit)


class Activity(Result):
    """What a network does for one inference, averaged over samples."""

    #: Spikes per neuron and step, over all populations that fire.
    spike_rate: float
    #: The same by population.
    population_spike_rate: dict[str, float]
    #: Additions of a weight to a current that spikes cause in all T steps, every connection counted.
    synaptic_operations: float
    #: Multiplications of pixels and weights, which constant pixels need once.
    pixel_operations: int
    timesteps: int


class PhaseResult(Result):
    """A trained network of one phase."""

    #: Fractions of the split that are classified correctly.
    validation_accuracy: float
    test_accuracy: float
    #: The epoch whose weights were kept, chosen on the validation split.
    best_epoch: int
    #: Populations that never fired on the test split.
    dead_populations: tuple[str, ...]


class Parity(Result):
    """PyTorch's integer phase against the NumPy reference."""

    samples: int
    steps: int
    spikes_compared: int
    spikes_differing: int
    membranes_differing: int
    predictions_differing: int
