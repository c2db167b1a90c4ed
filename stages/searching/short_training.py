"""Short real trainings, for choices that training-free scores cannot make: a few epochs in float, judged on validation data.

Comes in: a dataset, a profile, an architecture, epochs. Goes out: the best validation accuracy, as a fraction. It is the float
phase of the quantize stage with its checkpoints, so that what was trained before a kill is not trained again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.searching.candidates import Candidate, key_of
from stages.snn.architecture import Architecture, lower
from stages.training.config import QuantizeConfig
from stages.training.results import Epoch
from targets.profile import Profile


class Finalist(BaseModel):
    """A candidate that was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    score: float
    #: Epochs of its last training, and the best validation accuracy in it.
    epochs: int
    validation_accuracy: float


def validation_accuracy(
    dataset: Dataset,
    profile: Profile,
    architecture: Architecture,
    epochs: int,
    seed: int,
    folder: Path,
    progress: Progress,
) -> float:
    """Trains for some epochs, the learning rate falling to zero within them; the best of them counts."""
    curve = learning_curve(dataset, profile, architecture, epochs, seed, folder, progress)
    return max(epoch.validation_accuracy for epoch in curve)


def learning_curve(
    dataset: Dataset,
    profile: Profile,
    architecture: Architecture,
    epochs: int,
    seed: int,
    folder: Path,
    progress: Progress,
) -> Sequence[Epoch]:
    """The float training of an architecture, epoch by epoch."""
    from stages.training.phases import Phases

    own = folder / f"{hashlib.sha256(key_of(architecture).encode()).hexdigest()[:16]}-{seed}-{epochs}"
    own.mkdir(parents=True, exist_ok=True)
    config = QuantizeConfig(float_epochs=epochs, seed=seed)
    phases = Phases(dataset, profile, lower(architecture, profile), config, own, progress)
    with phases.machine():
        _, curve = phases.train_float()
    return curve


def halved(
    candidates: Sequence[Candidate],
    dataset: Dataset,
    profile: Profile,
    epochs: int,
    seed: int,
    folder: Path,
    progress: Progress,
) -> list[Finalist]:
    """Successive halving (Jamieson and Talwalkar 2016): all are trained briefly, the better half twice as long, and so on.

    Returns the winner first, then those that left, the last ones first. Equal accuracies are told apart by the score.
    """
    running, left = list(candidates), list[Finalist]()
    while len(running) > 1:
        trained = []
        for candidate in running:
            accuracy = validation_accuracy(dataset, profile, candidate.architecture, epochs, seed, folder, progress)
            trained.append((accuracy, candidate.score or 0.0, candidate))
        trained.sort(key=lambda entry: entry[:2], reverse=True)
        finalists = [
            Finalist(architecture=c.architecture, score=score, epochs=epochs, validation_accuracy=accuracy)
            for accuracy, score, c in trained
        ]
        kept = len(running) // 2
        left = finalists[kept if kept > 1 else 0 :] + left
        running, epochs = [c for _, _, c in trained[:kept]], 2 * epochs
    return left
