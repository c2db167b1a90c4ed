"""Splits never overlap, hold every class in proportion, and depend on the seed as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.data.catalog import find_source, load_dataset
from stages.data.dataset import Dataset, Split
from stages.data.splits import stratified, with_test_and_validation
from targets.errors import ConfigurationError
from tests.stages.data.synthetic import joined, random_split, same_images

NAMES = [str(index) for index in range(6)]


@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=120).filter(lambda v: all(v.count(c) > 1 for c in v)),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 2**40),
)
def test_a_share_of_every_class_is_taken(labels: list[int], share: float, seed: int) -> None:
    array = np.array(labels, np.int64)
    kept, taken = stratified(array, share, seed, NAMES)
    assert sorted([*kept, *taken]) == list(range(len(labels)))
    for label in set(labels):
        of_class = int((array == label).sum())
        count = int((array[taken] == label).sum())
        assert 1 <= count < of_class
        assert abs(count - share * of_class) <= 1
    again = stratified(array, share, seed, NAMES)
    assert np.array_equal(again[1], taken)


def test_the_permutation_is_frozen() -> None:
    # A change here silently changes every validation split: results of the same seed would no longer compare.
    labels = np.arange(40, dtype=np.int64) % 2
    assert stratified(labels, 0.2, 7, NAMES)[1].tolist() == [2, 4, 10, 15, 29, 31, 34, 37]


def test_a_class_with_a_single_image_cannot_be_split() -> None:
    with pytest.raises(ConfigurationError, match="class '3' has too few images"):
        stratified(np.array([1, 1, 3]), 0.5, 0, NAMES)


def test_the_seed_moves_validation_but_never_test() -> None:
    everything = random_split(200, (1, 3, 3), 4, 0)
    first, second = (with_test_and_validation("own", everything, NAMES[:4], seed) for seed in (1, 2))
    assert np.array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.validation.images, second.validation.images)
    assert (len(first.train), len(first.validation), len(first.test)) == (144, 16, 40)
    assert same_images(joined(*first.splits.values()), everything)


def test_the_digits_are_split_as_before() -> None:
    first, second = load_dataset("digits", None, 0), load_dataset("digits", None, 1)
    assert [len(split) for split in first.splits.values()] == [1077, 360, 360]
    assert np.array_equal(first.test.images, second.test.images)
    assert first.digest() != second.digest()
    assert first.train.images.max() == 255
    assert (find_source("digits").input_shape, find_source("digits").classes) == (first.input_shape, first.classes)


def test_frames_of_other_values_than_0_and_1_are_no_events() -> None:
    split = Split(np.full((2, 4, 2, 3, 3), 2, np.uint8), np.array([0, 1]))
    with pytest.raises(ConfigurationError, match="values up to 2 instead of 0 and 1"):
        Dataset("own", split, split, split, ("a", "b"), spiking=True)
