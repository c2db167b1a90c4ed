"""What is packed is what the kernels read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.cortex_m.packing import WIDTHS, Packing, pack, stored_bits, unpack


@given(st.sampled_from(WIDTHS), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_unpacking_returns_the_values(bits: int, rows: int, outputs: int, seed: int) -> None:
    packing = Packing(bits, rows, outputs)
    values = np.random.default_rng(seed).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (rows, outputs))
    stored = pack(values, packing)
    assert len(stored) == packing.size_bytes
    np.testing.assert_array_equal(unpack(stored, packing), values)


@pytest.mark.parametrize(("bits", "size"), [(8, 12), (4, 8), (2, 4)])
def test_sizes_are_whole_words(bits: int, size: int) -> None:
    assert Packing(bits, 3, 3).size_bytes == size


def test_rows_of_whole_words_interleave_neighbours() -> None:
    assert pack(np.array([[1, 2, 3, 4]]), Packing(8, 1, 4)) == bytes([1, 3, 2, 4])
    assert pack(np.arange(8)[None] - 8, Packing(4, 1, 8)) == bytes([0x40, 0x62, 0x51, 0x73])


def test_other_rows_follow_without_a_gap() -> None:
    assert pack(np.array([[-8, 7, 0], [1, 2, 3]]), Packing(4, 2, 3)) == bytes([0xF0, 0x98, 0xBA, 0])


@pytest.mark.parametrize(("bits", "stored"), [(2, 2), (3, 4), (4, 4), (5, 8), (8, 8)])
def test_a_width_is_stored_in_the_next_that_kernels_read(bits: int, stored: int) -> None:
    assert stored_bits(bits) == stored
