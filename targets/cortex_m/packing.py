"""Weights as the kernels read them: packed at 8, 4 or 2 bits, in the order in which spikes meet them.

Comes in: a weight tensor [out, in / groups, kernel rows, kernel columns]. Goes out: bytes, ordered
[source channel][kernel row][kernel column][output of the group], kernels turned by 180 degrees: what one spike adds to one
position lies together, a row, and what it adds to the next position lies behind it.

Weights of 2 and 4 bits are stored as value + 2**(bits - 1). Where a row fills whole 32-bit words, every group of four
values is stored as 0, 2, 1, 3 in the bytes of a word (4 and 2 bits: further groups in the higher bits of the bytes), so that
one SIMD instruction widens two neighbours. Other rows follow each other without a gap, the lowest bits first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Widths that the kernels read.
WIDTHS = (2, 4, 8)
_BYTE_OF_LANE = np.array([0, 2, 1, 3])


@dataclass(frozen=True)
class Packing:
    """How one weight tensor is stored: `rows` rows of `outputs` values."""

    bits: int
    rows: int
    outputs: int

    @property
    def words(self) -> bool:
        """Whether every row fills whole words."""
        return self.outputs * self.bits % 32 == 0

    @property
    def count(self) -> int:
        """Number of weights."""
        return self.rows * self.outputs

    @property
    def size_bytes(self) -> int:
        """Bytes in flash, whole words."""
        return -(-self.count * self.bits // 32) * 4


def stored_bits(bits: int) -> int:
    """The narrowest width that the kernels read and that holds `bits` bits."""
    return min(width for width in WIDTHS if width >= bits)


def pack(values: NDArray[np.integer], packing: Packing) -> bytes:
    """The stored bytes of values [rows, outputs]."""
    codes = values.astype(np.int64).reshape(packing.rows, packing.outputs)
    codes = codes & 0xFF if packing.bits == 8 else codes + 2 ** (packing.bits - 1)
    per_word = 32 // packing.bits
    if packing.words:
        lanes = codes.reshape(-1, per_word // 4, 4)[:, :, np.argsort(_BYTE_OF_LANE)]
        shifts = packing.bits * np.arange(per_word // 4)[:, None] + 8 * np.arange(4)
        words = (lanes << shifts).sum((1, 2))
    else:
        padded = np.zeros(-(-codes.size // per_word) * per_word, np.int64)
        padded[: codes.size] = codes.ravel()
        words = (padded.reshape(-1, per_word) << (packing.bits * np.arange(per_word))).sum(1)
    return bytes(words.astype("<u4").tobytes())


def unpack(stored: bytes, packing: Packing) -> NDArray[np.int8]:
    """The values [rows, outputs] of stored bytes: the inverse of `pack`, bit by bit as the kernels read them."""
    words = np.frombuffer(stored, "<u4").astype(np.int64)
    per_word, mask = 32 // packing.bits, 2**packing.bits - 1
    if packing.words:
        shifts = packing.bits * np.arange(per_word // 4)[:, None] + 8 * _BYTE_OF_LANE
    else:
        shifts = packing.bits * np.arange(per_word)[None, :]
    codes = (words[:, None, None] >> shifts & mask).ravel()[: packing.count]
    values = np.where(codes > 127, codes - 256, codes) if packing.bits == 8 else codes - 2 ** (packing.bits - 1)
    return np.asarray(values.reshape(packing.rows, packing.outputs), np.int8)
