"""Small pictures as PNG data URIs: test images, and maps of which neurons fire.

Comes in: pixels or 0/1 spikes. Goes out: a URI for an `img`. The encoder is written out because PNG needs only zlib, and equal
pixels then give equal bytes whatever is installed.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

_GREY, _COLOUR, _PALETTE = 0, 2, 3
Palette = tuple[tuple[int, int, int, int], ...]
"""Red, green, blue and opacity by index."""
#: Nothing, a neuron that fires, a silent neuron: red, green, blue and opacity. Readable on light and dark.
_SPIKES: Palette = ((0, 0, 0, 0), (224, 122, 47, 255), (128, 128, 128, 46))
_LEVELS = 32
#: Grey where nothing fires, then ever more orange.
_RAMP: Palette = (
    (128, 128, 128, 30),
    *((224, 122, 47, 24 + 231 * level // (_LEVELS - 1)) for level in range(1, _LEVELS)),
)


def image_uri(pixels: Sequence[int], shape: tuple[int, int, int]) -> str:
    """An image [C, H, W]: three channels in colour, any other number as the mean in grey."""
    image = np.asarray(pixels, np.uint8).reshape(shape)
    if shape[0] == 3:
        return _uri(image.transpose(1, 2, 0), _COLOUR)
    return _uri(image.astype(np.float64).mean(0).round().astype(np.uint8), _GREY)


def spike_map_uri(spikes: NDArray[np.uint8], shape: tuple[int, ...]) -> str:
    """Spikes [T, neurons] of one population: a mosaic of its channels for each step, from left to right."""
    channels, rows, columns = shape if len(shape) == 3 else (1, 1, shape[0])
    if len(shape) == 1:  # a dense population has no neighbourhood: wrap its neurons into a square
        columns = ceil(shape[0] ** 0.5)
        rows = ceil(shape[0] / columns)
    across = ceil(channels**0.5)
    down = ceil(channels / across)
    picture = np.zeros((down * (rows + 1) - 1, len(spikes) * (across * (columns + 1) + 4) - 5), np.uint8)
    for step, fired in enumerate(spikes):
        cells = np.zeros(channels * rows * columns, np.uint8)
        cells[: fired.size] = np.where(fired, 1, 2)
        for channel, tile in enumerate(cells.reshape(channels, rows, columns)):
            y = channel // across * (rows + 1)
            x = step * (across * (columns + 1) + 4) + channel % across * (columns + 1)
            picture[y : y + rows, x : x + columns] = tile
    return _uri(picture, _PALETTE)


def activity_uri(shares: NDArray[np.float64]) -> str:
    """Shares [H, W] of what could fire at each place, from nearly transparent to full orange."""
    return _uri(np.rint(shares * (_LEVELS - 1)).astype(np.uint8), _PALETTE, _RAMP)


def _uri(pixels: NDArray[np.uint8], kind: int, palette: Palette = _SPIKES) -> str:
    return f"data:image/png;base64,{base64.b64encode(_png(pixels, kind, palette)).decode()}"


def _png(pixels: NDArray[np.uint8], kind: int, palette: Palette) -> bytes:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + np.ascontiguousarray(row).tobytes() for row in pixels)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if kind == _PALETTE:
        chunks.append(_chunk(b"PLTE", b"".join(bytes(colour[:3]) for colour in palette)))
        chunks.append(_chunk(b"tRNS", bytes(colour[3] for colour in palette)))
    chunks += [_chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
