"""What a stage knows of a dataset: uint8 images or event frames with labels, in three splits that never overlap.

Training sees `train`, every choice is made on `validation`, and `test` is looked at once, by the final figures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError


@dataclass(frozen=True, eq=False)
class Split:
    """Images [N, C, H, W] of uint8 (or 0/1 event frames [N, T, C, H, W]) and labels [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, samples: int) -> Split:
        """The first samples, or all if there are fewer."""
        return Split(self.images[:samples], self.labels[:samples])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A classification task.

    Raises:
        ConfigurationError: a split is empty, its shapes or types are wrong, or a label has no class.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    #: Whether images are 0/1 event frames, one per step.
    spiking: bool = False
    #: Whether an image mirrored left to right keeps its class, so that training may show it too.
    mirrors: bool = False

    def __post_init__(self) -> None:
        problems = []
        for name, split in self.splits.items():
            images, labels = split.images, split.labels
            if len(images) == 0 or len(images) != len(labels):
                problems.append(f"{name}: {len(images)} images and {len(labels)} labels")
                continue
            if images.dtype != np.uint8 or images.ndim != (5 if self.spiking else 4):
                problems.append(f"{name}: images are {images.dtype} of shape {images.shape[1:]}")
            if images.shape[1:] != self.train.images.shape[1:]:
                problems.append(
                    f"{name}: images have shape {images.shape[1:]}, those of train {self.train.images.shape[1:]}"
                )
            elif self.spiking and images.max() > 1:
                problems.append(f"{name}: event frames hold values up to {images.max()} instead of 0 and 1")
            if int(labels.min()) < 0 or int(labels.max()) >= len(self.class_names):
                problems.append(f"{name}: labels {labels.min()} to {labels.max()} for {len(self.class_names)} classes")
        if problems:
            raise ConfigurationError.from_problems(f"dataset {self.name}", problems)

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns of one image or frame."""
        channels, rows, columns = self.train.images.shape[-3:]
        return channels, rows, columns

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def digest(self) -> str:
        """SHA-256 over all images and labels in their splits."""
        content = hashlib.sha256()
        for split in self.splits.values():
            content.update(repr(split.images.shape).encode())
            content.update(np.ascontiguousarray(split.images).data)
            content.update(np.ascontiguousarray(split.labels).data)
        return content.hexdigest()
