"""The training loop of both phases.

Comes in: a module, a dataset, settings. Goes out: the module with the weights of its best epoch, and the learning curve.

A step takes the next images of the epoch's order, changes them as the augmentation says, sets the learning rate, runs the
module (which starts every run from zero membrane potentials), and lets the optimizer follow the gradient of the cross-entropy.
After each epoch the module is measured on the validation split; the best epoch has the highest accuracy, then the lowest loss.
The phase ends early when the best epoch is long past. The test split is never seen here.

Order, augmentation and rate follow from the seed and the number of the step alone, so that a training that was killed and
resumed ends with the same bits as one that was not. An epoch that ends with numbers that are not finite is undone: back to the
best weights, with half the learning rate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from stages.data.dataset import Dataset
from stages.progress import Progress
from stages.snn.float_network import FloatNetwork
from stages.snn.integer_network import IntegerNetwork
from stages.training.augment import augmented
from stages.training.checkpoint import Checkpoint, CheckpointFile, optimizer_tensors, restore_optimizer
from stages.training.measure import measure
from stages.training.plan import Augmentation
from stages.training.results import Epoch, best
from targets.errors import ConfigurationError

RECOVERIES = 3
"""How often a diverged training goes back before it is given up."""
_AUGMENTING = 1 << 40
"""Keeps the seeds of augmentation apart from those of the order."""


@dataclass(frozen=True)
class Settings:
    """How one phase trains."""

    phase: str
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    #: Share of the steps in which the learning rate rises.
    warm_up: float
    #: Epochs without a better one after which the phase ends.
    patience: int
    augmentation: Augmentation
    seed: int
    #: Least time between two checkpoints; one is written at the end in any case.
    checkpoint_seconds: float


@dataclass
class _State:
    """Where a training stands, besides weights and optimizer."""

    step: int = 0
    #: Sum of the losses of the current epoch's steps.
    loss: float = 0.0
    #: The same of their gradients' norms, and the time that they took.
    gradient: float = 0.0
    seconds: float = 0.0
    #: Halved by every recovery.
    rate: float = 1.0
    recoveries: int = 0
    curve: list[Epoch] = field(default_factory=list)
    #: Images per second of training, one figure for each point of the curve; kept apart, since no two runs agree on it.
    speeds: list[float | None] = field(default_factory=list)


class Training:
    """One phase's training of a module, from the checkpoint if there is one.

    Args:
        record: Is given the learning curve and the images per second after every epoch.
    """

    def __init__(
        self,
        module: FloatNetwork | IntegerNetwork,
        dataset: Dataset,
        settings: Settings,
        file: CheckpointFile,
        progress: Progress,
        record: Callable[[Sequence[Epoch], Sequence[float | None]], None],
    ) -> None:
        self.module, self.settings, self.file = module, settings, file
        self.images, self.labels = torch.from_numpy(dataset.train.images), torch.from_numpy(dataset.train.labels)
        self.validation, self.progress, self.record = dataset.validation, progress, record
        self.steps_per_epoch = math.ceil(len(dataset.train) / settings.batch)
        self.steps = settings.epochs * self.steps_per_epoch
        self.optimizer = self.fresh_optimizer()
        self.state = _State()
        self.best_weights: dict[str, Tensor] = {}
        self.order = torch.empty(0)

    def run(self) -> Sequence[Epoch]:
        """Trains to the end and leaves the module with its best weights; returns the learning curve.

        Raises:
            ConfigurationError: the loss is not finite even at lower learning rates, or the checkpoint is damaged.
        """
        self.resume()
        saved = time.monotonic()
        while not self.ended():
            began = time.perf_counter()
            self.step()
            self.state.seconds += time.perf_counter() - began
            if self.state.step % self.steps_per_epoch == 0:
                self.end_epoch()
            if time.monotonic() - saved >= self.settings.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
        self.save()
        self.module.load_state_dict(self.best_weights)
        return self.state.curve

    def ended(self) -> bool:
        """Whether all steps are done, or the last epochs brought nothing better."""
        curve = self.state.curve
        return self.state.step >= self.steps or curve[-1].epoch - best(curve).epoch >= self.settings.patience

    def step(self) -> None:
        """One update of the weights."""
        images, labels = self.next_batch()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.module.train()
        loss = cross_entropy(self.module(images), labels, label_smoothing=self.settings.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
        self.state.gradient += get_total_norm(gradients).item()
        self.optimizer.step()
        self.state.loss += loss.item()
        self.state.step += 1

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """The step's slice of its epoch's random order."""
        epoch, index = divmod(self.state.step, self.steps_per_epoch)
        if index == 0 or not len(self.order):
            generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + epoch)
            self.order = torch.randperm(len(self.images), generator=generator)
        chosen = self.order[index * self.settings.batch : (index + 1) * self.settings.batch]
        seed = _AUGMENTING + self.settings.seed * 1_000_003 + self.state.step
        return augmented(self.images[chosen], self.settings.augmentation, seed), self.labels[chosen]

    def learning_rate(self) -> float:
        """Rises in a line while it warms up, and falls to zero on a cosine."""
        rising = min(1.0, (self.state.step + 1) / (self.settings.warm_up * self.steps + 1))
        falling = 0.5 * (1 + math.cos(math.pi * self.state.step / self.steps))
        return self.settings.learning_rate * self.state.rate * rising * falling

    def end_epoch(self) -> None:
        """Measures the module, keeps it if it is the best so far, and goes back if it diverged."""
        steps, state = self.steps_per_epoch, self.state
        epoch, loss, gradient = state.step // steps, state.loss / steps, state.gradient / steps
        speed = len(self.images) / state.seconds
        state.loss = state.gradient = state.seconds = 0.0
        point = self.point(epoch, loss, gradient)
        if self.broken() or not (math.isfinite(loss) and math.isfinite(point.validation_loss)):
            self.recover(epoch)
            return
        self.add(point, speed)
        what = f"{self.settings.phase} training, validation accuracy {point.validation_accuracy:.3f}"
        self.progress(what, epoch, self.settings.epochs)

    def point(self, epoch: int, loss: float | None = None, gradient: float | None = None) -> Epoch:
        """The module as it is now, on the validation split."""
        measured = measure(self.module, self.validation)
        return Epoch(
            phase=self.settings.phase,
            epoch=epoch,
            train_loss=loss,
            gradient_norm=gradient,
            validation_loss=measured.loss,
            validation_accuracy=measured.accuracy,
            spike_rate=dict(measured.spike_rate),
        )

    def add(self, point: Epoch, speed: float | None = None) -> None:
        """Adds to the learning curve; the best epoch's weights are kept."""
        if not self.state.curve or point.merit > best(self.state.curve).merit:
            self.best_weights = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.state.curve.append(point)
        self.state.speeds.append(speed)
        self.record(self.state.curve, self.state.speeds)

    def recover(self, epoch: int) -> None:
        """Back to the best weights with half the learning rate; the lost epoch is trained again."""
        if self.state.recoveries == RECOVERIES:
            broken = ", ".join(self.broken()) or "the loss"
            raise ConfigurationError(
                f"{self.settings.phase} training diverged {RECOVERIES + 1} times, last in epoch {epoch}: not finite: {broken}",
                "lower the learning rate",
            )
        self.state.recoveries += 1
        self.state.rate /= 2
        self.state.step -= self.steps_per_epoch
        self.module.load_state_dict(self.best_weights)
        self.optimizer = self.fresh_optimizer()

    def broken(self) -> list[str]:
        """Parameters and statistics that are not finite. The loss need not show it: a potential of NaN never fires."""
        state = self.module.state_dict()
        return [name.replace("/", ".") for name, value in state.items() if not bool(value.isfinite().all())]

    def fresh_optimizer(self) -> torch.optim.Optimizer:
        """An optimizer without memory."""
        learning = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(learning, self.settings.learning_rate, weight_decay=self.settings.weight_decay)

    def save(self) -> None:
        """Writes the checkpoint."""
        groups = {
            "module": self.module.state_dict(),
            "best": self.best_weights,
            "optimizer": optimizer_tensors(self.optimizer),
        }
        tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
        curve = [point.model_dump() for point in self.state.curve]
        self.file.save(Checkpoint(tensors, {**vars(self.state), "curve": curve}))

    def resume(self) -> None:
        """Takes up the checkpoint, or begins."""
        checkpoint = self.file.load()
        if checkpoint is None:
            self.add(self.point(0))
            return
        self.module.load_state_dict(checkpoint.group("module/"))
        self.best_weights = checkpoint.group("best/")
        restore_optimizer(self.optimizer, checkpoint.group("optimizer/"))
        curve = [Epoch(**point) for point in checkpoint.facts["curve"]]
        self.state = _State(**{**checkpoint.facts, "curve": curve})
        self.record(curve, self.state.speeds)
