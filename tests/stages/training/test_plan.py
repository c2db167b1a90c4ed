"""What the quantize stage makes of a dataset's size: epochs, batch, augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset, Split
from stages.training.config import QuantizeConfig
from stages.training.plan import Augmentation, Plan

QUICK = QuantizeConfig.preset("quick")


def dataset(images: int, rows: int, *, mirrors: bool = False) -> Dataset:
    """Black images of which no memory is taken: a view of one pixel."""
    pixels = np.broadcast_to(np.zeros((), np.uint8), (images, 1, rows, rows))
    split = Split(pixels, np.broadcast_to(np.zeros((), np.int64), (images,)))
    return Dataset("black", split, split.first(10), split.first(10), ("a", "b"), mirrors=mirrors)


@pytest.mark.parametrize(
    ("images", "epochs", "batch"),
    [(1_000, (20, 8), 64), (54_000, (7, 2), 128), (45_000, (8, 2), 128), (2_000_000, (1, 1), 128)],
)
def test_epochs_follow_from_the_number_of_images(images: int, epochs: tuple[int, int], batch: int) -> None:
    plan = Plan.of(QUICK, dataset(images, 1))
    assert (plan.float_epochs, plan.integer_epochs) == epochs
    assert plan.batch == batch


def test_many_images_are_shared_by_two_processes_or_by_the_gpus() -> None:
    few, many = dataset(1_000, 1), dataset(54_000, 1)
    assert [Plan.of(QUICK, few).processes, Plan.of(QUICK, many).processes, Plan.of(QUICK, few, gpus=4).processes] == [
        1,
        2,
        4,
    ]
    assert Plan.of(QuantizeConfig(processes=3), many, gpus=1).processes == 3


def test_the_digits_are_trained_as_they_are() -> None:
    assert not Plan.of(QUICK, load_dataset("digits", None, 0)).augmentation.changes


def test_augmentation_is_what_the_dataset_allows_unless_the_config_says_otherwise() -> None:
    pictures = dataset(100, 32, mirrors=True)
    assert Plan.of(QUICK, pictures).augmentation == Augmentation(mirror=True, shift=2)
    assert Plan.of(QUICK, dataset(100, 28)).augmentation == Augmentation()
    own = QuantizeConfig(mirror=False, shift=5, cutout=8, batch=10)
    plan = Plan.of(own, pictures)
    assert plan.augmentation == Augmentation(mirror=False, shift=5, cutout=8)
    assert plan.batch == 10
