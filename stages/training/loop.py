"""The training loop of both phases.

Comes in: an objective, a dataset, settings, an engine. Goes out: the network with the weights of its best epoch, on the CPU, and
the learning curve.

A step takes the next images of the epoch's order, changes them as the augmentation says, sets the learning rate, runs the
network (which starts every run from zero membrane potentials), and lets the optimizer follow the gradient of the objective.
After each epoch the network is measured on the validation split; the best epoch has the highest accuracy, then the lowest loss.
The phase ends early when the best epoch is long past. The test split is never seen here.

Order, augmentation and rate follow from the seed and the number of the step alone, so that a training that was killed and
resumed ends with the same bits as one that was not. An epoch that ends with numbers that are not finite is undone: back to the
best weights, with half the learning rate. A population that fired nowhere in an epoch has its bias raised.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from stages.data.dataset import Dataset, Split
from stages.progress import Progress
from stages.training.augment import augmented
from stages.training.checkpoint import Checkpoint, CheckpointFile, optimizer_tensors, restore_optimizer
from stages.training.engine import Engine
from stages.training.measure import measure
from stages.training.objective import Objective
from stages.training.results import Epoch, Incident, best
from stages.training.revival import wake
from stages.training.state import Settings, State, fresh_optimizer
from targets.errors import ConfigurationError

RECOVERIES, REVIVALS = 3, 3
"""How often a diverged training goes back before it is given up, and how often a silent population is woken."""
_AUGMENTING = 1 << 40
"""Keeps the seeds of augmentation apart from those of the order."""


class Training:
    """One phase's training, from the checkpoint if there is one.

    Args:
        objective: What is minimised, and the network in it.
        record: Is given the state after every epoch, in the first process.
    """

    def __init__(
        self,
        objective: Objective,
        dataset: Dataset,
        settings: Settings,
        engine: Engine,
        file: CheckpointFile,
        progress: Progress,
        record: Callable[[State], None],
    ) -> None:
        self.settings, self.engine, self.file, self.progress, self.record = settings, engine, file, progress, record
        self.objective, self.module = engine.prepared(objective), objective.module
        self.images = torch.from_numpy(dataset.train.images).to(engine.device)
        self.labels = torch.from_numpy(dataset.train.labels).to(engine.device)
        self.validation = Split(*(engine.share(values) for values in vars(dataset.validation).values()))
        self.steps_per_epoch = steps_per_epoch(len(dataset.train), settings.batch, engine.processes)
        self.steps = settings.epochs * self.steps_per_epoch
        self.optimizer = fresh_optimizer(self.settings, self.module)
        self.state = State()
        self.sums = torch.zeros(2, dtype=torch.float64, device=engine.device)
        self.best_weights: dict[str, Tensor] = {}
        self.order = torch.empty(0)

    def run(self) -> State:
        """Trains to the end and leaves the network with its best weights.

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
        self.module.cpu()
        return self.state

    def step(self) -> None:
        """One update of the weights."""
        images, labels = self.next_batch()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.objective.train()
        with self.engine.precision(self.settings.mixed_precision):
            loss = self.objective(images, labels)  # the network resets its membrane potentials before it runs
        self.optimizer.zero_grad()
        self.engine.backward(loss)
        norm = get_total_norm([p.grad for p in self.module.parameters() if p.grad is not None])
        self.optimizer.step()
        self.sums += torch.stack([loss.detach(), norm])
        self.state.step += 1

    def next_batch(self) -> tuple[Tensor, Tensor]:
        """This process's share of the step's slice of its epoch's random order, augmented."""
        epoch, index = divmod(self.state.step, self.steps_per_epoch)
        if index == 0 or not len(self.order):
            generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + epoch)
            self.order = torch.randperm(len(self.images), generator=generator)
        batch = self.order[index * self.settings.batch : (index + 1) * self.settings.batch]
        chosen = self.engine.share(batch).to(self.engine.device)
        seed = _AUGMENTING + self.settings.seed * 1_000_003 + self.state.step + (self.engine.rank << 50)
        return augmented(self.images[chosen], self.settings.augmentation, seed), self.labels[chosen]

    def learning_rate(self) -> float:
        """Rises in a line while it warms up, and falls to zero on a cosine."""
        rising = min(1.0, (self.state.step + 1) / (self.settings.warm_up * self.steps + 1))
        falling = 0.5 * (1 + math.cos(math.pi * self.state.step / self.steps))
        return self.settings.learning_rate * self.state.rate * rising * falling

    def ended(self) -> bool:
        """Whether all steps are done, or the last epochs brought nothing better."""
        curve = self.state.curve
        return self.state.step >= self.steps or curve[-1].epoch - best(curve).epoch >= self.settings.patience

    def end_epoch(self) -> None:
        """Measures the network, keeps it if it is the best so far; goes back if it diverged, wakes what is silent."""
        self.engine.agree(self.module)
        state, settings = self.state, self.settings
        epoch, speed = state.step // self.steps_per_epoch, len(self.images) / state.seconds
        loss, gradient = (self.sums / self.steps_per_epoch).tolist()
        everywhere = float(self.engine.summed(self.sums)[0])
        self.sums.zero_()
        state.seconds = 0.0
        point = self.point(epoch, loss, gradient)
        if self.broken() or not (math.isfinite(everywhere) and math.isfinite(point.validation_loss)):
            self.recover(epoch)
            return
        self.add(point, speed)
        self.progress(
            f"{settings.phase} training, validation accuracy {point.validation_accuracy:.3f}", epoch, settings.epochs
        )
        for population in point.dead:
            self.revive(population, epoch)

    def point(self, epoch: int, loss: float | None = None, gradient: float | None = None) -> Epoch:
        """The network as it is now, on the validation split."""
        measured = measure(self.module, self.validation, self.engine.summed)
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
        self.tell()

    def recover(self, epoch: int) -> None:
        """Back to the best weights with half the learning rate; the lost epoch is trained again."""
        broken = ", ".join(self.broken()) or "the loss"
        if sum(incident.kind == "diverged" for incident in self.state.incidents) == RECOVERIES:
            raise ConfigurationError(
                f"{self.settings.phase} training diverged {RECOVERIES + 1} times, last in epoch {epoch}: not finite: {broken}",
                "lower the learning rate",
            )
        self.state.rate /= 2
        self.state.step -= self.steps_per_epoch
        self.module.load_state_dict(self.best_weights)
        self.optimizer = fresh_optimizer(self.settings, self.module)
        self.happened("diverged", epoch, broken, f"best weights again, learning rate times {self.state.rate:g}")

    def revive(self, population: str, epoch: int) -> None:
        """Raises the bias of a population that never fired, some times; then it is left, and reported, as dead."""
        mine = [i for i in self.state.incidents if (i.kind, i.where) == ("dead", population)]
        if len(mine) < REVIVALS and self.state.step < self.steps and wake(self.module, population):
            self.happened("dead", epoch, population, "never fired on the validation split; its bias was raised")

    def happened(self, kind: str, epoch: int, where: str, what: str) -> None:
        """Keeps an incident and tells it."""
        self.state.incidents.append(Incident(phase=self.settings.phase, epoch=epoch, kind=kind, where=where, what=what))
        self.progress(f"{self.settings.phase} training, {where}: {what}", epoch, self.settings.epochs)
        self.tell()

    def broken(self) -> list[str]:
        """Parameters and statistics that are not finite. The loss need not show it: a potential of NaN never fires."""
        state = self.module.state_dict()
        return [name.replace("/", ".") for name, value in state.items() if not bool(value.isfinite().all())]

    def tell(self) -> None:
        """Hands the state to whoever keeps it."""
        if self.engine.first:
            self.record(self.state)

    def save(self) -> None:
        """Writes the checkpoint."""
        if not self.engine.first:
            return
        self.state.loss, self.state.gradient = self.sums.tolist()
        groups = {
            "module": self.module.state_dict(),
            "best": self.best_weights,
            "optimizer": optimizer_tensors(self.optimizer),
        }
        tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
        self.file.save(Checkpoint(tensors, self.state.facts()))

    def resume(self) -> None:
        """Takes up the checkpoint, or begins."""
        checkpoint = self.file.load()
        self.engine.wait()  # until all have read what one of them is about to replace
        if checkpoint is None:
            self.add(self.point(0))
            return
        self.module.load_state_dict(checkpoint.group("module/"))
        self.best_weights = checkpoint.group("best/")
        restore_optimizer(self.optimizer, checkpoint.group("optimizer/"))
        self.state = State.of(checkpoint.facts)
        self.sums += torch.tensor([self.state.loss, self.state.gradient], dtype=torch.float64, device=self.sums.device)
        self.tell()


def steps_per_epoch(images: int, batch: int, processes: int) -> int:
    """Steps that show every image once; a last batch too small to give each process two images is left out."""
    whole, rest = divmod(images, batch)
    return whole + (rest >= 2 * processes or not whole)
