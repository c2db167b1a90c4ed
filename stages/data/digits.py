"""The handwritten digits bundled with scikit-learn: the default dataset, there without any download.

1,797 images of 8x8 pixels with values 0 to 16 (UCI "Optical Recognition of Handwritten Digits", test part), scaled to 0 to
255. Split 60 % / 20 % / 20 %, stratified by class. The test split is the same for every seed, so that results compare.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from targets.errors import ConfigurationError

_TEST_SEED = 0
_PACKAGED = "sklearn/datasets/data/digits.csv.gz"


@dataclass(frozen=True)
class Digits:
    """The bundled digits as a source of the catalog."""

    name: str = "digits"
    summary: str = "1,797 handwritten digits of 8x8 pixels, 10 classes, bundled with scikit-learn"
    input_shape: tuple[int, int, int] = (1, 8, 8)
    classes: int = 10

    def files(self, folder: Path | None) -> tuple[Path, ...]:
        """The packaged file, found without importing scikit-learn."""
        _refuse_folder(folder)
        return (Path(str(importlib.metadata.distribution("scikit-learn").locate_file(_PACKAGED))),)

    def load(self, folder: Path | None, seed: int) -> Dataset:
        """See `load_digits`."""
        return load_digits(folder, seed)


def load_digits(folder: Path | None, seed: int) -> Dataset:
    """The digits; `seed` decides which of the images that are not test images validate.

    Raises:
        ConfigurationError: a folder is given, though the digits are bundled.
    """
    _refuse_folder(folder)
    from sklearn.datasets import load_digits as bundled
    from sklearn.model_selection import train_test_split

    raw = bundled()
    images = (np.asarray(raw.images) * 255.0 / 16.0).round().astype(np.uint8)[:, None]
    labels = np.asarray(raw.target).astype(np.int64)

    def split(of: NDArray[np.int64], size: int, random_state: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        kept, taken = train_test_split(of, test_size=size, stratify=labels[of], random_state=random_state)
        return np.sort(kept), np.sort(taken)

    rest, test = split(np.arange(len(labels)), 360, _TEST_SEED)
    train, validation = split(rest, 360, seed)
    names = tuple(str(digit) for digit in range(10))

    def part(of: NDArray[np.int64]) -> Split:
        return Split(images[of], labels[of])

    return Dataset("digits", part(train), part(validation), part(test), names)


def _refuse_folder(folder: Path | None) -> None:
    if folder is not None:
        raise ConfigurationError(
            "the digits are bundled and take no --data", "leave --data out, or name another --dataset"
        )
