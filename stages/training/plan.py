"""What a config means for a dataset: epochs, batch and augmentation, decided before torch is imported.

Comes in: the config of the quantize stage and a dataset. Goes out: the numbers that both phases train by.

The rule, for N training images:

- a phase has a budget of images, a quarter more where they have colours, which take longer to learn; it gets floor(budget / N)
  epochs, at least one and at most as many as the config says;
- below 20,000 images a batch is 64, from there on 128. The learning rate stays, which is half of it per image;
- a batch is shared by as many processes as there are GPUs; without one by two from 20,000 images on, below by none;
- images are mirrored where the dataset says that a mirrored image keeps its class, and shifted by up to a sixteenth of their
  rows, from 32 rows on. What a config sets itself is taken as it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from stages.data.dataset import Dataset
from stages.training.config import QuantizeConfig

MANY_IMAGES = 20_000
"""Training images from which on batches are large."""
ROWS_PER_SHIFT, SHIFTED_ROWS = 16, 32
COLOUR = 1.25
"""By how much the budgets are larger for images of several channels."""


@dataclass(frozen=True)
class Augmentation:
    """How training images differ from epoch to epoch; the default is not at all."""

    #: Whether half of the images are mirrored left to right.
    mirror: bool = False
    #: Pixels that an image moves at most, along rows and columns; zeros move in.
    shift: int = 0
    #: Edge of a square that is set to zero somewhere in the image, cut at the border; 0 for none.
    cutout: int = 0

    @property
    def changes(self) -> bool:
        """Whether images come out otherwise than they went in."""
        return self.mirror or self.shift > 0 or self.cutout > 0


@dataclass(frozen=True)
class Plan:
    """How both phases train on one dataset."""

    float_epochs: int
    integer_epochs: int
    batch: int
    processes: int
    augmentation: Augmentation

    @classmethod
    def of(cls, config: QuantizeConfig, dataset: Dataset, gpus: int = 0) -> Plan:
        """The rule of this module."""
        images, (channels, rows, _) = len(dataset.train), dataset.input_shape
        more = COLOUR if channels > 1 and not dataset.spiking else 1
        return cls(
            float_epochs=_epochs(config.float_epochs, more * config.float_images, images),
            integer_epochs=_epochs(config.integer_epochs, more * config.integer_images, images),
            batch=config.batch or (128 if images >= MANY_IMAGES else 64),
            processes=config.processes or gpus or (2 if images >= MANY_IMAGES else 1),
            augmentation=Augmentation(
                mirror=dataset.mirrors if config.mirror is None else config.mirror,
                shift=_shift(rows) if config.shift is None else config.shift,
                cutout=config.cutout,
            ),
        )

    def facts(self) -> dict[str, Any]:
        """The plan as JSON, for keys."""
        return asdict(self)


def _epochs(most: int, budget: float, images: int) -> int:
    return max(1, min(most, int(budget) // images))


def _shift(rows: int) -> int:
    return rows // ROWS_PER_SHIFT if rows >= SHIFTED_ROWS else 0
