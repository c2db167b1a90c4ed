"""One repeat of a study: a seed, its batch of images, and the scores of cells in a fixed macro-architecture.

Comes in: genotypes. Goes out: scores, weights and bytes. The same cell is scored once a repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stages.data.dataset import Dataset
from stages.progress import Progress, silent
from stages.scores.catalog import Score
from stages.scores.subject import Batch, batch_of
from stages.searching.short_training import validation_accuracy
from stages.searching.workers import rate_all
from stages.snn.architecture import Architecture, lower
from targets.families import family_named
from targets.network import Network
from targets.profile import Profile


@dataclass(frozen=True)
class Trial:
    """A seed and what it decides."""

    seed: int
    profile: Profile
    dataset: Dataset
    batch: Batch
    score: Score
    template: Architecture
    #: Epochs of training that take the place of the score; 0 for none.
    epochs: int
    known: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        profile: Profile,
        score: Score,
        seed: int,
        channels: int,
        timesteps: int,
        images: int,
        epochs: int = 0,
    ) -> Trial:
        """A repeat on a dataset; cells are judged one at a time, in the place of the first cell."""
        template = Architecture(
            input_shape=dataset.input_shape,
            classes=dataset.classes,
            cells=("|skip~0|",),
            channels=channels,
            timesteps=timesteps,
            weight_bits=max(profile.network.weight_bits),
            spiking_input=dataset.spiking,
        )
        batch = batch_of(dataset, images, timesteps=timesteps, seed=seed)
        return cls(seed, profile, dataset, batch, score, template, epochs)

    def at(self, channels: int) -> Trial:
        """The same repeat with networks of another width."""
        return replace(self, template=self.template.model_copy(update={"channels": channels}), known={})

    def scores(self, cells: Sequence[str], progress: Progress, what: str) -> list[float]:
        """One score per genotype, in the same order."""
        new = [cell for cell in dict.fromkeys(cells) if cell not in self.known]
        architectures = [self.architecture(cell) for cell in new]
        if self.epochs:
            rates = self.trained(architectures, progress, what)
        else:
            rates = rate_all(architectures, self.profile, self.batch, self.score.rate, progress, what)
        self.known.update(zip(new, rates, strict=True))
        return [self.known[cell] for cell in cells]

    def trained(self, architectures: Sequence[Architecture], progress: Progress, what: str) -> Iterator[float]:
        """Validation accuracy in percent after a short training of each."""
        with TemporaryDirectory() as folder:
            for done, a in enumerate(architectures, start=1):
                accuracy = validation_accuracy(
                    self.dataset, self.profile, a, self.epochs, self.seed, Path(folder), silent
                )
                progress(what, done, len(architectures))
                yield 100 * accuracy

    def architecture(self, cell: str) -> Architecture:
        """A network of this one cell."""
        return self.template.model_copy(update={"cells": (cell,)})

    def network(self, cell: str) -> Network:
        """Its integer network, without values."""
        return lower(self.architecture(cell), self.profile)

    def region_bytes(self, cell: str) -> Mapping[str, int]:
        """What the target's estimator says of it, whether it fits or not."""
        footprint = family_named(self.profile.family).estimate(self.network(cell), self.profile)
        return {region: footprint.region_bytes(region) for region in footprint.regions}
