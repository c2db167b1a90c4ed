"""Takes a share of every class, by seed: how validation leaves train, and test leaves data without an official one.

The permutations are NumPy's legacy `RandomState`, whose stream is frozen (NEP 19): a seed means the same split with every
version of NumPy and on every platform.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.data.dataset import Dataset, Split
from targets.errors import ConfigurationError

#: Share of the training images that validate.
VALIDATION_SHARE = 0.1
#: Share of all images that test, where there is no official test set.
TEST_SHARE = 0.2
#: Seed of such a test split: the same for every seed of a run, so that results compare.
TEST_SEED = 0


def stratified(
    labels: NDArray[np.int64], share: float, seed: int, class_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices that stay and indices that are taken, both ascending; of every class `share` is taken, at least one image.

    Raises:
        ConfigurationError: a class has a single image, which cannot be on both sides.
    """
    random = np.random.RandomState(seed % 2**32)
    taken = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        if len(of_class) < 2:
            raise ConfigurationError(
                f"class {class_names[label]!r} has too few images to split", "add images of it, or remove the class"
            )
        count = min(max(1, round(share * len(of_class))), len(of_class) - 1)
        taken[random.permutation(of_class)[:count]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def with_validation(
    name: str,
    train: Split,
    test: Split,
    class_names: Sequence[str],
    seed: int,
    *,
    spiking: bool = False,
    mirrors: bool = False,
) -> Dataset:
    """The dataset whose validation split is taken from `train` by the seed."""
    kept, taken = stratified(train.labels, VALIDATION_SHARE, seed, class_names)
    return Dataset(name, take(train, kept), take(train, taken), test, tuple(class_names), spiking, mirrors)


def with_test_and_validation(
    name: str, everything: Split, class_names: Sequence[str], seed: int, *, spiking: bool = False
) -> Dataset:
    """The dataset without an official test set: test is taken first, the same for every seed, then validation by the seed."""
    kept, taken = stratified(everything.labels, TEST_SHARE, TEST_SEED, class_names)
    test, rest = take(everything, taken), take(everything, kept)
    return with_validation(name, rest, test, class_names, seed, spiking=spiking)


def take(split: Split, indices: NDArray[np.int64]) -> Split:
    """The images and labels at these indices."""
    return Split(split.images[indices], split.labels[indices])
